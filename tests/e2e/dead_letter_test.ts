import assert from "node:assert/strict";
import { DAMAGES } from "../../lib/simulate/faults.ts";
import { assertCalm, assertMisuse, parseSummary, rowsIn, run, serve, summaryOf } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`T16: broken messages on ${wire} are in the dead letter, the run goes on and ends with 3`, async () => {
    using folder = tempFolder();
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--damage", "20"]);
    const started = new Date().toISOString();
    const args = ["jetstream", "--url", server[wire], "-c", "all", "--cursor", "1", "-n", "1900"];
    const first = await summaryOf(folder.path, args, 3);
    // Every 20th of the first 1,999 messages; the next one was sent, but the run had ended.
    assert.deepEqual([first.written, first.dead_lettered, first.rejected], [1900, 99, 0]);
    assert.equal(rowsIn(`${folder.path}/bskyingest.db`), 1900);

    const dead = (...more: string[]) => run(folder.path, ["dead-letter", ...more]);
    const listed = async (...more: string[]) => {
      const { code, stdout } = await dead("list", "--json", ...more);
      assert.equal(code, 0);
      return stdout.map((line) => JSON.parse(line));
    };
    const entries = await listed();
    assert.equal(entries.length, 99);
    for (const { stage, command, key, host, wire: its, state, at } of entries) {
      assert.deepEqual({ stage, command, key, host, wire: its, state }, {
        stage: "source",
        command: "jetstream",
        key: "jetstream",
        host: server.host,
        wire,
        state: "open",
      });
      assert(at >= started);
    }
    assert.deepEqual(entries.map(({ id }) => id).sort(), entries.map(({ id }) => id), "ids grow");
    const texts = entries.slice(0, 2).map(({ text, position }) => [text, JSON.parse(position).seq]);
    assert.deepEqual(texts, [[DAMAGES[0]!("", "v1"), 19], [DAMAGES[1]!("", "v1"), 39]]);
    const binary = entries.find(({ base64 }) => base64 !== undefined);
    assert.equal(binary.reason, "not_utf8");
    assert(Uint8Array.fromBase64(binary.base64).includes(0xff));

    const notJson = await listed("--reason", "not_json");
    assert(notJson.length >= 10 && notJson.length < 99);
    assert(notJson.every(({ reason }) => reason === "not_json"));
    assert.equal((await listed("--limit", "5")).length, 5);
    assert.deepEqual(await listed("--stage", "sqlite"), []);
    assert.deepEqual(await listed("--since", "2099-01-01"), []);
    assert.match((await dead("list")).stdout[0]!, new RegExp(`^${entries[0].id} {2}.* {2}source {2}not_json {2}127`));

    assert.deepEqual((await dead("show", entries[0].id, "--raw")).stdout, ["not json"]);
    const shown = (await dead("show", entries[0].id, binary.id)).stdout.join("\n");
    assert.match(shown, /^text: not json$/m);
    assert.match(shown, /^ {2}00000000 {2}7b 22 /m);
    assertMisuse(await dead("show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), /^Cannot /);

    assertMisuse(await dead("purge"), /^Cannot purge/);
    assert.equal((await listed()).length, 99);
    const purged = await dead("purge", "--reason", "not_json");
    assert.deepEqual([purged.code, purged.stderr], [0, [
      `Removed ${notJson.length} entries, kept ${99 - notJson.length}`,
    ]]);
    assert.deepEqual(await listed("--reason", "not_json"), []);
    assert.equal((await dead("purge", "--all")).code, 0);
    assert.deepEqual(await listed(), []);
  });
}

Deno.test("--max-dead-ratio: too large a share ends the run with 1, the position stays true", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--damage", "10"]);
  const args = ["jetstream", "--url", server.v1, "-c", "all", "-n", "5000", "--batch-size", "100"];
  const end = await run(folder.path, [...args, "--cursor", "1", "--json"]);
  assertCalm(end);
  const summary = parseSummary(end, 1);
  assert.equal(summary.ended_by, "error");
  assert.match(summary.error!, /^Cannot go on: 1\d\d of the last 1\d\d\d events went to the dead letter/);
  assert(summary.written >= 900 && summary.written < 5000, `${summary.written}`);
  const rows = rowsIn(`${folder.path}/bskyingest.db`);
  assert.equal(rows, summary.written);
  assert.equal((await summaryOf(folder.path, [...args, "--max-dead-ratio", "1"], 3)).written, 5000);
  assert.equal(rowsIn(`${folder.path}/bskyingest.db`), rows + 5000);
});

Deno.test("several dead letters: exit 2 naming them, until one is chosen", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--damage", "20"]);
  for (const key of ["a", "b"]) {
    await summaryOf(folder.path, ["jetstream", "--url", server.v1, "-n", "100", "--state-key", key], 3);
  }
  assertMisuse(await run(folder.path, ["dead-letter", "list"]), /a(?:\.ndjson)?\b.*b(?:\.ndjson)?\b/);
  const { stdout } = await run(folder.path, ["dead-letter", "list", "--state-key", "b", "--json"]);
  assert(stdout.length > 0);
  assert(stdout.every((line) => JSON.parse(line).key === "b"));
});
