import assert from "node:assert/strict";
import { assertCalm, assertMisuse, parseSummary, run, serve, summaryOf } from "../support/program.ts";
import { EPOCH_US, readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

/** The first event that the server still has: 100 s of events, so that no tolerance hides the hole. */
const OLDEST = 200_000;
const timeOf = (seq: number) => EPOCH_US + seq * 500;

/** The rows of `gaps list`. */
async function gapsOf(folder: string, ...args: string[]) {
  const { code, stdout } = await run(folder, ["gaps", "list", "--json", ...args]);
  assert.equal(code, 0);
  return stdout.map((line) => JSON.parse(line));
}

const CASES = [
  { wire: "v1", store: [], reason: "clamped" },
  { wire: "v1", store: ["--sink", "ndjson"], reason: "clamped" },
  { wire: "v2", store: [], reason: "cursor_too_old" },
  { wire: "v2", store: ["--sink", "ndjson"], reason: "cursor_too_old" },
] as const;

for (const { wire, store, reason } of CASES) {
  Deno.test(`T19: a position that ${wire} no longer reaches is a gap, ${store.join(" ") || "in the database"}`, async () => {
    using folder = tempFolder();
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--oldest", `${OLDEST}`]);
    const ingest = ["jetstream", "--url", server[wire], "-c", "all", "-n", "10", ...store];
    await summaryOf(folder.path, ingest);
    const old = JSON.stringify({ v: 1, host: server.host, wire, time_us: timeOf(100), seq: 100 });
    const goBack = () => run(folder.path, ["cursor", "set", "jetstream", old, ...store]);
    const shown = async () => (await run(folder.path, ["cursor", "show", "--json", ...store])).stdout;
    assert.equal((await goBack()).code, 0);

    const before = await shown();
    const failed = await run(folder.path, [...ingest, "--on-gap", "fail", "--json"]);
    assertCalm(failed);
    const { error, written } = parseSummary(failed, 1);
    assert.equal(written, 0);
    assert.match(error!, new RegExp(`^Cannot go on with --on-gap fail: ${reason} at ${server.host}`));
    assert.deepEqual(await shown(), before, "the position is as before");
    assert.deepEqual((await gapsOf(folder.path)).map(({ id, state }) => [id, state]), [[1, "open"]]);

    for (const round of [1, 2]) {
      const end = await run(folder.path, [...ingest, "--json"]);
      const summary = parseSummary(end);
      assert.deepEqual([summary.written, summary.gaps], [10, 1], `round ${round}`);
      assert.match(end.stderr.join("\n"), new RegExp(`warning pipeline: Gap: ${reason} at `));
      const rows = await gapsOf(folder.path);
      assert.deepEqual(
        rows.map(({ id, key, host, unit, from, to, reason, state }) => ({
          id,
          key,
          host,
          unit,
          from,
          to,
          reason,
          state,
        })),
        [{
          id: 1,
          key: "jetstream",
          host: server.host,
          unit: "us",
          from: timeOf(100),
          to: timeOf(OLDEST),
          reason,
          state: "open",
        }],
        "the same hole is one row",
      );
      assert.equal((await goBack()).code, 0);
    }

    const [line] = (await run(folder.path, ["gaps", "list"])).stdout;
    assert.match(line!, new RegExp(`^1 {2}open {2}${reason} {2}jetstream at .* 2026-01-01T00:00:00.050Z to 2026-`));
    assert.deepEqual(await gapsOf(folder.path, "--key", "other"), []);
    assertMisuse(await run(folder.path, ["gaps", "accept", "2"]), /^Cannot accept gap 2: there is no open one/);
    assertMisuse(await run(folder.path, ["gaps", "accept", "x"]), /^Cannot accept gap "x": it must be a number/);
    assert.equal((await run(folder.path, ["gaps", "accept", "1"])).code, 0);
    assert.deepEqual(await gapsOf(folder.path), []);
    const [accepted] = await gapsOf(folder.path, "--all");
    assert.deepEqual([accepted.id, accepted.state, typeof accepted.closed_at], [1, "accepted", "string"]);
    assertMisuse(await run(folder.path, ["gaps", "accept", "1"]), /^Cannot accept gap 1: there is no open one/);
  });
}

Deno.test("T19: outdated_cursor, when v2 says that a time is out of reach", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--oldest", `${OLDEST}`]);
  const args = ["jetstream", "--url", server.v2, "-c", "all", "-n", "10", "-s", "2026-01-01-00:00:01"];
  assert.equal((await summaryOf(folder.path, args)).gaps, 1);
  const [{ reason, from, to, detail }] = await gapsOf(folder.path) as [Record<string, unknown>];
  assert.deepEqual({ reason, from, to }, {
    reason: "outdated_cursor",
    from: EPOCH_US + 1_000_000,
    to: timeOf(OLDEST),
  });
  assert.match(String(detail), new RegExp(`starting at seq ${OLDEST}`));
});

Deno.test("T19: what the user asks to skip is accepted, counts in no summary, and --on-gap fail does not mind", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const args = ["jetstream", "--url", server.v1, "-c", "all", "-n", "10", "--on-gap", "fail"];
  await summaryOf(folder.path, [...args, "--cursor", "1"]);
  const { written, gaps } = await summaryOf(folder.path, [...args, "--no-rewind"]);
  assert.deepEqual([written, gaps], [10, 0]);
  assert.deepEqual(await gapsOf(folder.path), []);
  const rows = readBack(`${folder.path}/bskyingest.db`, "SELECT reason, from_pos, state FROM gaps");
  assert.deepEqual(rows, [{ reason: "no_rewind", from_pos: timeOf(10), state: "accepted" }]);
});

Deno.test("gaps list with nothing to list makes no file", async () => {
  using folder = tempFolder();
  const { code, stdout, stderr } = await run(folder.path, ["gaps", "list"]);
  assert.deepEqual([code, stdout, stderr], [0, [], ["No open gaps"]]);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
