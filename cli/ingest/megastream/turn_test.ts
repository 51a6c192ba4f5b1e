import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { ConfigError, FatalError, TransientError } from "../../../lib/pipeline/errors.ts";
import type { ProcessedFiles } from "../../../lib/state/processed_files.ts";
import { bad, makeWorld, nameOf, type World } from "./test_world.ts";

const inWorld = (fn: (world: World, path: string) => Promise<void>) => () =>
  inFolder((folder) => fn(makeWorld(`${folder}/state.json`), `${folder}/state.json`));

const rowsOf = (n: number, from = 1) => [1, 2, 3].slice(from - 1).map((row) => `${nameOf(n)}:${row}`);

Deno.test(
  "M52: what the sink throws ends the run; the file is not processed and goes on at its row",
  inWorld(async (world) => {
    for (const n of [1, 2]) world.add(n);
    world.files.get(nameOf(1))!.rowFault = { after: 2, error: new TransientError("Cannot write: 503") };
    await assert.rejects(world.pass(), { name: "TransientError", message: "Cannot write: 503" });
    const entry = (await world.openState()).entry(nameOf(1));
    assert.partialDeepStrictEqual(entry, { status: "partial", cursor: 2, rows: 2, attempts: 1 });
    delete world.files.get(nameOf(1))!.rowFault;
    await world.pass();
    assert.deepEqual(world.sink, [...rowsOf(1), ...rowsOf(2)]);
    assert.partialDeepStrictEqual((await world.openState()).entry(nameOf(1)), { status: "processed", attempts: 1 });
  }),
);

Deno.test(
  "M58: a stop leaves the file at its row, and the next run goes on there",
  inWorld(async (world) => {
    for (const n of [1, 2]) world.add(n);
    world.onRow = (_name, row) => row === 3 && world.stop.abort();
    const { endedBy, figures } = await world.pass();
    assert.equal(endedBy, "stopped");
    assert.equal(figures.files.partial, 1);
    const entry = (await world.openState()).entry(nameOf(1));
    assert.partialDeepStrictEqual(entry, { status: "partial", cursor: 2, rows: 2, attempts: 1 });
    assert.equal((await world.openState()).entry(nameOf(2)), undefined);
    assert.equal(world.journal.filter((line) => line.startsWith("open")).length, 2);
    assert.equal(world.journal.filter((line) => line.startsWith("close")).length, 2);
    world.stop = new AbortController();
    world.onRow = () => {};
    await world.pass();
    assert.deepEqual(world.sink, [...rowsOf(1), ...rowsOf(2)]);
    assert.partialDeepStrictEqual((await world.openState()).entry(nameOf(1)), { status: "processed", rows: 3 });
  }),
);

Deno.test(
  "M43: rows before a corrupt page stay written, and the next attempt goes on behind them",
  inWorld(async (world) => {
    const file = world.add(1, { rowFault: { after: 2, error: bad("corrupt", "page 7") } });
    const { failed } = await world.pass();
    assert.deepEqual(failed, [{ name: nameOf(1), error: "corrupt: page 7", attempts: 1, tried: true }]);
    assert.partialDeepStrictEqual((await world.openState()).entry(nameOf(1)), { cursor: 2, rows: 2 });
    delete file.rowFault;
    await world.pass();
    assert.deepEqual(world.sink, rowsOf(1));
  }),
);

Deno.test(
  "a bad file that is thrown keeps what was noted of its rows",
  inWorld(async (world) => {
    world.add(1);
    await world.pass({
      run: async (_file, _local, begun) => {
        await begun.checkpoints(() => ({ rows: 2, rejected: 1, skipped: 0 })).save("k", "2");
        throw bad("corrupt", "page 7");
      },
    });
    const expected = { status: "failed", error: "corrupt: page 7", cursor: 2, rows: 2, rejected: 1 };
    assert.partialDeepStrictEqual((await world.openState()).entry(nameOf(1)), expected);
  }),
);

Deno.test(
  "M45: what the sink has already is noted as processed and not opened",
  inWorld(async (world) => {
    for (const n of [1, 2]) world.add(n);
    const asked: string[] = [];
    const isDone = ({ name }: { readonly name: string }) => {
      asked.push(name);
      return Promise.resolve(name === nameOf(1));
    };
    const { figures } = await world.pass({ isDone, deleteAfter: true });
    assert.deepEqual(asked, [nameOf(1), nameOf(2)]);
    assert.deepEqual(world.sink, rowsOf(2));
    assert.equal(figures.files.processed, 2);
    assert.equal((await world.openState()).entry(nameOf(1))?.status, "processed");
    assert.equal(world.files.has(nameOf(1)), true, "nobody has seen what is in it");
  }),
);

Deno.test(
  "M53: a file is removed once the disk says that it is processed, others stay",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n);
    world.files.get(nameOf(2))!.fault = () => bad("bad_crc");
    const { store } = world;
    const statuses: unknown[] = [];
    const remove = async (file: Parameters<NonNullable<typeof store.remove>>[0]) => {
      statuses.push((await world.openState()).entry(file.name)?.status);
      await store.remove!(file);
    };
    await world.pass({ deleteAfter: true, store: { ...store, remove }, boundUs: 0 });
    assert.deepEqual(statuses, ["processed", "processed"]);
    assert.deepEqual([...world.files.keys()], [nameOf(2)]);
  }),
);

Deno.test(
  "M53: a file that was replaced while it was read stays, one that cannot be removed is a warning",
  inWorld(async (world) => {
    await using log = await captureLog();
    const { store } = world;
    world.add(1);
    world.add(2);
    world.onRow = (name, row) => {
      if (row === 3 && name === nameOf(1)) world.files.get(name)!.size++;
    };
    const remove = () => Promise.reject(new Error("Permission denied"));
    assert.equal((await world.pass({ deleteAfter: true, store: { ...store, remove } })).endedBy, "done");
    const warnings = log.lines.filter((line) => line.startsWith("warning"));
    assert.deepEqual(warnings, [`warning: Cannot remove ${nameOf(2)}: Permission denied`]);
    assert.equal(world.files.size, 2);
    world.onRow = () => {};
    await world.pass();
    assert.deepEqual(world.sink, [...rowsOf(1), ...rowsOf(2), ...rowsOf(1)]);
  }),
);

Deno.test(
  "M53: a state that cannot be saved is tried a few times, then ends the run, and nothing is removed",
  inWorld(async (world) => {
    world.add(1);
    const real = await world.openState();
    let faults = 4;
    const state: ProcessedFiles = {
      ...real,
      async begin(file) {
        const begun = await real.begin(file);
        const full = () => Promise.reject(new TransientError("Cannot write state: no space left on the device"));
        return { ...begun, processed: (counts) => faults-- > 0 ? full() : begun.processed(counts) };
      },
    };
    await world.pass({ state });
    assert.deepEqual(world.waits, [10, 20, 30, 40]);
    assert.equal((await world.openState()).entry(nameOf(1))?.status, "processed");
    world.add(2);
    faults = 5;
    await assert.rejects(world.pass({ state, deleteAfter: true }), /^TransientError: Cannot write state/);
    assert.deepEqual(world.journal.at(-1), `close ${nameOf(2)}`);
    assert.deepEqual([...world.files.keys()], [nameOf(2)], "the first one is processed");
  }),
);

Deno.test(
  "M53: what an earlier run has processed and not removed is removed, but nothing that nobody has read",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n);
    await world.pass({ isDone: ({ name }) => Promise.resolve(name === nameOf(2)) });
    world.files.get(nameOf(3))!.size++;
    const { figures } = await world.pass({ deleteAfter: true, run: () => Promise.reject(bad("corrupt")) });
    assert.deepEqual([...world.files.keys()], [nameOf(2), nameOf(3)]);
    assert.equal(figures.files.failed, 1);
    await world.pass({ deleteAfter: true, state: await world.openState({ readOnly: true }) });
    assert.equal(world.files.size, 2);
  }),
);

Deno.test(
  "failed and partial files that are gone are told once a run, and stay in the state",
  inWorld(async (world) => {
    world.add(1, { fault: () => bad("bad_crc") });
    world.add(2, { rowFault: { after: 1, error: new FatalError("Cannot go on") } });
    await assert.rejects(world.pass(), FatalError);
    world.files.clear();
    world.onWait = (count) => count === 3 && world.stop.abort();
    const { figures } = await world.pass({ mode: "spool" });
    assert.deepEqual(world.vanished, [nameOf(1), nameOf(2)]);
    assert.equal(figures.files.failed, 1);
    assert.equal(figures.files.partial, 1);
    assert.equal((await world.openState()).entry(nameOf(1))?.status, "failed");
  }),
);

Deno.test(
  "files that were not named are not missed",
  inWorld(async (world) => {
    world.add(1, { fault: () => bad("bad_crc") });
    await world.pass();
    world.files.clear();
    await world.pass({ store: { ...world.store, partOnly: true } });
    assert.deepEqual(world.vanished, []);
  }),
);

Deno.test(
  "a file that is gone between listing and opening is told, and others go on",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n);
    world.onRow = () => void world.files.delete(nameOf(3));
    world.files.get(nameOf(2))!.fault = () => {
      world.files.delete(nameOf(2));
      return undefined;
    };
    const { endedBy } = await world.pass();
    assert.equal(endedBy, "done");
    assert.deepEqual(world.vanished, [nameOf(2), nameOf(3)]);
    assert.deepEqual(world.sink, rowsOf(1));
    assert.equal((await world.openState()).entry(nameOf(2)), undefined);
  }),
);

Deno.test(
  "what the user must change ends the run, whichever part says so",
  inWorld(async (world) => {
    world.add(1, { fault: () => new ConfigError("Cannot open: 403") });
    await assert.rejects(world.pass(), ConfigError);
    assert.equal((await world.openState()).entry(nameOf(1)), undefined);
  }),
);
