import assert from "node:assert/strict";
import type { Gap } from "../../lib/pipeline/batch.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { startCli } from "../support/child.ts";
import { from, meetHole, outcomeOf } from "../support/heal_run.ts";
import { range } from "../support/jetstream_run.ts";
import { assertMisuse, run, summaryOf, until } from "../support/program.ts";
import type { ScriptedJetstream } from "../support/scripted_jetstream.ts";
import { sparseJetstream, sparseTime } from "../support/sparse_jetstream.ts";
import { put, readBack } from "../support/sqlite.ts";
import { dbIn, gapsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

/** The numbers of the events in the database, as often as they are there. */
function stored(folder: string): number[] {
  const rows = readBack<{ did: string }>(dbIn(folder), "SELECT did FROM events ORDER BY time_us");
  return rows.map(({ did }) => Number(did.slice(8)));
}

Deno.test("T20: heal reads a clamped stretch again; half of it stays open, all of it is healed, and no row is doubled", async () => {
  using folder = tempFolder();
  const state = { oldest: 1, args: [] as string[] };
  await using server = await sparseJetstream(() => state.oldest);
  state.args = from(server);
  await meetHole(folder.path, state);
  const heal = () => run(folder.path, ["gaps", "heal", ...state.args, "--json"]);
  const rows = () => gapsIn(folder.path);
  const before = readBack(dbIn(folder.path), "SELECT key, cursor FROM cursors");
  assert.deepEqual([stored(folder.path), rows()], [
    [...range(1, 5), 20, 21, 22],
    [["clamped", sparseTime(5), sparseTime(20), "open"]],
  ]);

  assert.match(outcomeOf(await heal(), 3).open.join(), /^1: no host has all of it any more, an archive may /);
  assert.deepEqual(rows(), [["clamped", sparseTime(5), sparseTime(20), "open"]]);

  state.oldest = 12;
  assert.match(outcomeOf(await heal(), 3).open.join(), /^1: no host has all of it any more, an archive may /);
  assert.deepEqual([stored(folder.path), rows()], [
    [...range(1, 5), ...range(12, 22)],
    [["clamped", sparseTime(5), sparseTime(12), "open"]],
  ], "what is missing is less");

  state.oldest = 1;
  assert.deepEqual(outcomeOf(await heal(), 0), { healed: [1], open: [] });
  assert.deepEqual(stored(folder.path), range(1, 22));
  assert.deepEqual(rows().map(([, , , state]) => state), ["healed"]);
  assert.deepEqual(readBack(dbIn(folder.path), "SELECT key, cursor FROM cursors"), before, "the position is as it was");
  assert.deepEqual([(await heal()).code, stored(folder.path).length], [0, 22]);
});

Deno.test("T20: heal asks every host of the list, and reads from the one that begins earliest", async () => {
  using folder = tempFolder();
  const state = { oldest: 1, args: [] as string[] };
  await using clamped = await sparseJetstream(() => state.oldest);
  await using half = await sparseJetstream(() => 12);
  await using whole = await sparseJetstream(() => 1);
  state.args = from(clamped);
  await meetHole(folder.path, state);
  const end = await run(folder.path, ["gaps", "heal", "1", ...from(clamped, half, whole)]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert.match(end.stderr.join("\n"), new RegExp(`Gap 1: reading app.bsky.feed.post of all .* at ${whole.host}`));
  assert.match(end.stderr.join("\n"), /healed: gap 1$/);
  assert.deepEqual(stored(folder.path), range(1, 22));
  assert.deepEqual([half.dials.length, whole.dials.length], [1, 2]);
});

Deno.test("T20: heal writes nothing that the run has still before it", async () => {
  using folder = tempFolder();
  const state = { oldest: 1 };
  await using server = await sparseJetstream(() => state.oldest);
  await using other = await sparseJetstream(() => 1);
  const ingest = ["jetstream", ...from(server)];
  await summaryOf(folder.path, [...ingest, "--cursor", `${sparseTime(1)}`, "-n", "5"]);
  state.oldest = 20;
  const failed = await run(folder.path, [...ingest, "--on-gap", "fail"]);
  assert.equal(failed.code, 1);
  const heal = (...servers: ScriptedJetstream[]) => run(folder.path, ["gaps", "heal", ...from(...servers), "--json"]);
  assert.match(outcomeOf(await heal(other), 3).open.join(), /^1: the run goes on before it, and reads/);

  await summaryOf(folder.path, [...ingest, "-n", "1"]);
  assert.match(
    outcomeOf(await heal(server, other), 3).open.join(),
    /^1: the run has hardly passed it, and the clock of/,
  );
  state.oldest = 1;
  assert.deepEqual(outcomeOf(await heal(server, other), 0).healed, [1]);
  await summaryOf(folder.path, [...ingest, "-n", "3"]);
  assert.deepEqual(stored(folder.path), range(1, 23));
});

Deno.test("T20: heal that is killed in the middle is begun again, and doubles nothing", async () => {
  using folder = tempFolder();
  const state = { oldest: 1, newest: 40, args: [] as string[] };
  await using server = await sparseJetstream(() => state.oldest, { newest: () => state.newest });
  state.args = from(server);
  await meetHole(folder.path, state);
  state.oldest = 1;
  state.newest = 12;
  const heal = ["gaps", "heal", ...state.args];
  {
    await using child = startCli(heal, { cwd: folder.path });
    await until(() => stored(folder.path).includes(12), "the first events of the gap");
    child.kill("SIGKILL");
    assert.equal((await child.status).code, 137);
  }
  assert.deepEqual([stored(folder.path), gapsIn(folder.path)[0]![3]], [[...range(1, 12), 20, 21, 22], "open"]);
  state.newest = 40;
  assert.deepEqual(outcomeOf(await run(folder.path, [...heal, "--json"]), 0).healed, [1]);
  assert.deepEqual(stored(folder.path), range(1, 22));
});

Deno.test("T20: --dry-run says what would be written, and leaves gap and rows alone", async () => {
  using folder = tempFolder();
  const state = { oldest: 1, args: [] as string[] };
  await using server = await sparseJetstream(() => state.oldest);
  state.args = from(server);
  await meetHole(folder.path, state);
  state.oldest = 1;
  const summary = await summaryOf(folder.path, ["gaps", "heal", ...state.args, "--dry-run"]);
  assert.deepEqual([summary.written, summary.would_write! >= 14], [0, true]);
  assert.deepEqual([stored(folder.path).length, gapsIn(folder.path)[0]![3]], [8, "open"]);
});

Deno.test("T20: heal takes the settings of the command, and waits for nobody: a run on the same state is told", async () => {
  using folder = tempFolder();
  const state = { oldest: 1, args: [] as string[] };
  await using server = await sparseJetstream(() => state.oldest);
  state.args = [...from(server), "--state-key", "mine"];
  await meetHole(folder.path, state);
  state.oldest = 1;
  const [host, wire, posts] = [`ws://${server.host}`, "v1", "app.bsky.feed.post"].map((text) => JSON.stringify(text));
  const section =
    `[jetstream]\ninstance = [${host}]\nwire = ${wire}\nwanted-collections = [${posts}]\noverlap = "10s"\n`;
  Deno.writeTextFileSync(`${folder.path}/bskyingest.toml`, section);
  const args = ["gaps", "heal", "--config", "bskyingest.toml", "--json"];
  {
    await using live = startCli(["jetstream", ...state.args], { cwd: folder.path });
    await live.stderr.waitFor("Connected to");
    const end = await run(folder.path, args);
    assert.equal(end.code, 75, end.stderr.join("\n"));
  }
  assert.deepEqual(outcomeOf(await run(folder.path, args), 0), { healed: [1], open: [] });
  const all = stored(folder.path);
  assert.deepEqual(all.filter((i) => i <= 22), range(1, 22));
  assert.equal(new Set(all).size, all.length);
});

/** Puts gaps into the database that no run of a test could meet. */
async function openGaps(folder: string, key: string, gaps: readonly Partial<Gap>[]): Promise<void> {
  await using sink = await sqliteSink({ path: dbIn(folder) });
  const any = {
    source: "jetstream",
    host: "h.example",
    unit: "us",
    from: undefined,
    to: undefined,
    state: "open",
  } as const;
  await put(sink, [], { key, gaps: gaps.map((gap, i) => ({ ...any, reason: `r${i}`, ...gap })) });
}

Deno.test("T20: what nobody can heal stays open, and says why", async () => {
  using folder = tempFolder();
  const [a, b] = [sparseTime(1), sparseTime(2)];
  await openGaps(folder.path, "jetstream", [
    { reason: "desync", unit: "seq", from: 1, to: 2 },
    { unit: "us", to: b },
    { unit: "us", from: a },
    { unit: "seq", from: 5, to: 6 },
    { unit: "us", from: a, to: b },
  ]);
  await using down = await sparseJetstream(() => 1, { refuse: () => true });
  const { open } = outcomeOf(await run(folder.path, ["gaps", "heal", ...from(down), "--json"]), 3);
  assert.deepEqual(open.map((line) => line.slice(0, 60)), [
    "1: it takes the whole repo, and repos are not downloaded yet",
    "2: it is not known where it begins",
    "3: it is not known where it ends",
    "4: it is counted in sequence numbers, which the server no lo",
    "5: no host of the list has answered",
  ]);
  await using late = await sparseJetstream(() => 30);
  const one = outcomeOf(await run(folder.path, ["gaps", "heal", "5", ...from(late), "--json"]), 3);
  assert.match(one.open.join(), /^5: no host has it any more, an archive may/);
});

Deno.test("T20: gaps of several runs are told apart, and a number must be one", async () => {
  using folder = tempFolder();
  await openGaps(folder.path, "jetstream", [{}]);
  await openGaps(folder.path, "firehose_live:cursor:h", [{ source: "firehose", unit: "seq" }]);
  using ledger = openGapStore(`${folder.path}/.local/state/bskyingest/gaps.db`);
  const gap = { source: "jetstream", host: "h", unit: "us", from: 1, to: 2, reason: "clamped", state: "open" } as const;
  await ledger.record("mine:h", [gap]);
  const several =
    /^Cannot heal gaps of several runs at once: 1 of jetstream jetstream in .*; 2 of firehose firehose in .*; 1 of jetstream mine in .*gaps\.db/;
  assertMisuse(await run(folder.path, ["gaps", "heal"]), several);
  assertMisuse(await run(folder.path, ["gaps", "heal", "x"]), /^Cannot heal gap "x": it must be a number/);
  assertMisuse(await run(folder.path, ["gaps", "heal", "7"]), /^Cannot heal gap 7: there is no open one/);
  const two = await run(folder.path, ["gaps", "heal", "2", "--json"]);
  assert.match(outcomeOf(two, 3).open.join(), /^2: it is not known where it begins$/);
});

Deno.test("C7: a run with --on-gap heal reads on at the host that has everything, and its gap is healed", async () => {
  using folder = tempFolder();
  const state = { oldest: 1 };
  await using clamped = await sparseJetstream(() => state.oldest);
  await using whole = await sparseJetstream(() => 1);
  const args = ["jetstream", ...from(clamped, whole), "--on-gap", "heal"];
  await summaryOf(folder.path, [...args, "--cursor", `${sparseTime(1)}`, "-n", "5"]);
  state.oldest = 20;
  const { written, gaps } = await summaryOf(folder.path, [...args, "-n", "17"]);
  assert.deepEqual([written, gaps, stored(folder.path)], [17, 1, range(1, 22)]);
  assert.deepEqual(gapsIn(folder.path), [["clamped", sparseTime(5), sparseTime(20), "healed"]]);
});
