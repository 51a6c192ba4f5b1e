import assert from "node:assert/strict";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { keepCached } from "../../lib/sources/jetstream/dictionary_cache.ts";
import { runCli } from "../support/cli.ts";
import { tempFolder } from "../support/temp.ts";
import { withId } from "../support/zstd_frames.ts";

Deno.test("--compress: a simulated server sends less than half the bytes, the events are the same", async () => {
  const bytes: number[] = [];
  for (const compress of [[], ["--compress"]]) {
    const args = [
      "record",
      "jetstream",
      "--simulate",
      "-c",
      "all",
      "-n",
      "600",
      "--out",
      "x.rec",
      "--json",
      ...compress,
    ];
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 0, stderr);
    const { received, bytes_received } = JSON.parse(stdout);
    assert.equal(received, 600);
    bytes.push(bytes_received);
  }
  assert.ok(bytes[1]! < bytes[0]! / 2, bytes.join(" and "));
  const args = ["jetstream", "--simulate", "--compress", "-c", "all", "-n", "600", "--sink", "stdout", "--quiet"];
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  const seqs = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).cursor);
  assert.deepEqual(seqs, Array.from({ length: 600 }, (_, i) => i + 1));
});

Deno.test("--compress: what was recorded needs its dictionary for replay, by option or from the cache folder", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/x.rec.zst`, dictionary = `${folder.path}/dictionary`;
  Deno.writeFileSync(dictionary, simulateDictionary());
  const recorded = await runCli(["record", "jetstream", "--simulate", "--compress", "-n", "50", "--out", file]);
  assert.equal(recorded.code, 0, recorded.stderr);
  const replay = ["replay", file, "--sink", "stdout", "--quiet"];
  const without = await runCli(replay);
  assert.deepEqual([without.code, without.stdout], [2, ""]);
  assert.match(without.stderr, /needs the zstd dictionary 60081982: name it with --zstd-dictionary/);
  const byOption = await runCli([...replay, "--zstd-dictionary", dictionary]);
  assert.equal(byOption.code, 0, byOption.stderr);
  assert.equal(byOption.stdout.trimEnd().split("\n").length, 50);
  await keepCached(`${folder.path}/cache/bskyingest`, { id: SIMULATE_DICTIONARY_ID, bytes: simulateDictionary() });
  const cached = await runCli(replay, { env: { XDG_CACHE_HOME: `${folder.path}/cache` } });
  assert.deepEqual(cached, byOption);
});

Deno.test("--zstd-dictionary: a file that is missing, none, or of the other wire is exit 2 before anything begins", async () => {
  using folder = tempFolder();
  const at = (name: string, bytes: Uint8Array) => {
    Deno.writeFileSync(`${folder.path}/${name}`, bytes);
    return `${folder.path}/${name}`;
  };
  const v2 = at("v2", withId(simulateDictionary(), 20260811, 4));
  const none = at("none", new TextEncoder().encode("not a dictionary"));
  const jetstream = ["jetstream", "--url", "ws://127.0.0.1:9/subscribe", "-t", "1", "--sink", "stdout", "--compress"];
  const cases = [
    [jetstream, `${folder.path}/missing`, `Cannot read ${folder.path}/missing: no such file or folder\n`],
    [jetstream, none, `Cannot use zstd dictionary ${none}: it is none, as it does not begin with 37 A4 30 EC\n`],
    [jetstream, v2, "Cannot use the zstd dictionary 20260811: it does not suit the v1 wire\n"],
    [["replay", "-"], none, `Cannot use zstd dictionary ${none}: it is none, as it does not begin with 37 A4 30 EC\n`],
  ] as const;
  for (const [args, file, message] of cases) {
    const { code, stderr } = await runCli([...args, "--zstd-dictionary", file]);
    assert.deepEqual([code, stderr.slice(0, message.length)], [2, message]);
  }
});
