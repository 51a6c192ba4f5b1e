import assert from "node:assert/strict";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { cliArgs, cliEnv, runCli } from "../support/cli.ts";
import { EPOCH_US, readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

/** Event lines as a v1 server sends them, 500 us of event time apart. */
function eventLines(count: number): string[] {
  const events = generatedEvents({ rng: 1, epoch: EPOCH_US });
  return Array.from({ length: count }, (_, i) => events.read(i + 1, "v1", undefined)!);
}

Deno.test("replay: into SQLite by default, with a summary; one that ended begins anew", async () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/a.jsonl`, eventLines(3000).join("\n"));
  for (const run of [1, 2]) {
    const { code, stdout, stderr } = await runCli(["replay", "a.jsonl", "--json"], { cwd: folder.path });
    assert.equal(code, 0, stderr);
    const { command, source, sink, received, written, ended_by, lag_ms, cursor } = JSON.parse(stdout);
    assert.deepEqual({ command, source, sink, received, written, ended_by, lag_ms, done: cursor.done }, {
      command: "replay",
      source: "a.jsonl",
      sink: "sqlite",
      received: 3000,
      written: 3000,
      ended_by: "source",
      lag_ms: null,
      done: true,
    });
    const db = `${folder.path}/bskyingest.db`;
    assert.deepEqual(readBack(db, "SELECT count(*) AS n FROM events"), [{ n: run * 3000 }]);
    assert.deepEqual(readBack(db, "SELECT key, state FROM cursors"), [{ key: "replay:a.jsonl", state: "done" }]);
  }
});

Deno.test("T9: a JPEG is exit 2 and makes no database; an empty file is exit 0", async () => {
  using folder = tempFolder();
  Deno.writeFileSync(`${folder.path}/a.jpg`, Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16));
  Deno.writeFileSync(`${folder.path}/empty`, new Uint8Array());
  const wrong = await runCli(["replay", "empty", "a.jpg"], { cwd: folder.path });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^Cannot replay a\.jpg: it is no recording.*\nSee "bskyingest replay --help"\n$/);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["a.jpg", "empty"]);
  const empty = await runCli(["replay", "empty", "--json"], { cwd: folder.path });
  assert.deepEqual([empty.code, JSON.parse(empty.stdout).received], [0, 0]);
});

Deno.test("replay: broken lines are dead letters that name file and line, exit 3", async () => {
  using folder = tempFolder();
  const lines = eventLines(3);
  Deno.writeTextFileSync(`${folder.path}/a.jsonl`, [lines[0], "broken", lines[1], lines[2]].join("\n"));
  const args = ["replay", "a.jsonl", "--sink", "stdout", "--dead-letter", "dead.ndjson", "--quiet"];
  const { code, stdout } = await runCli(args, { cwd: folder.path });
  assert.deepEqual([code, stdout], [3, lines.join("\n") + "\n"]);
  const { stage, reason, text, file, line } = JSON.parse(Deno.readTextFileSync(`${folder.path}/dead.ndjson`));
  assert.deepEqual({ stage, reason, text, file, line }, {
    stage: "source",
    reason: "not_json",
    text: "broken",
    file: "a.jsonl",
    line: 2,
  });
});

Deno.test("replay: standard input, filters and options that are wrong", async () => {
  const lines = eventLines(500);
  const stdin = lines.join("\n");
  const posts = lines.filter((line) => JSON.parse(line).commit?.collection === "app.bsky.feed.post");
  const args = ["replay", "-", "-c", "app.bsky.feed.post", "--kinds", "commit", "--sink", "stdout", "--quiet"];
  const { code, stdout } = await runCli(args, { stdin });
  assert.deepEqual([code, stdout], [0, posts.join("\n") + "\n"]);
  assert.ok(posts.length > 10);
  for (const wrong of [["--speed", "0"], ["--speed", "fast"], ["--loop", "0"], ["--loop", "2"], ["-c", "*"]]) {
    assert.equal((await runCli(["replay", "-", ...wrong])).code, 2, wrong.join(" "));
  }
});

Deno.test("T11: killed at 20 random moments and run again, every row is there once; a complete run adds all again", async () => {
  using folder = tempFolder();
  const lines = eventLines(40_000);
  Deno.writeTextFileSync(`${folder.path}/a.jsonl`, lines.join("\n"));
  const args = ["replay", "a.jsonl", "--batch-size", "200", "--batch-timeout", "10ms", "--quiet"];
  let kills = 0;
  for (; kills < 20; kills++) {
    const child = new Deno.Command(Deno.execPath(), {
      // Paced, or it would be over before the last blow: 40,000 events are 20 s of event time, the blows come within 20 s.
      args: cliArgs([...args, "--speed", "1"]),
      env: cliEnv(folder.path),
      clearEnv: true,
      cwd: folder.path,
      stdout: "null",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), 200 + Math.random() * 700);
    const { signal } = await child.status;
    clearTimeout(timer);
    assert.equal(signal, "SIGKILL");
  }
  const db = `${folder.path}/bskyingest.db`;
  const [{ n }] = readBack<{ n: number }>(db, "SELECT count(*) AS n FROM events") as [{ n: number }];
  assert.ok(n > 0 && n < lines.length, `${n} rows after ${kills} kills`);
  for (const rounds of [1, 2]) {
    const { code, stderr } = await runCli(args, { cwd: folder.path });
    assert.equal(code, 0, stderr);
    const rows = readBack<{ seq: number }>(db, "SELECT seq FROM events ORDER BY position").map(({ seq }) => seq);
    const expected = [...Array(rounds)].flatMap(() => lines.map((_, i) => i + 1));
    assert.equal(rows.length, expected.length);
    assert.ok(rows.every((seq, i) => seq === expected[i]), `order after ${kills} kills, ${rounds} complete runs`);
  }
});
