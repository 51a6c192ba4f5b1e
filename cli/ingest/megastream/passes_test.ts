import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { ConfigError, TransientError } from "../../../lib/pipeline/errors.ts";
import { createPassesFigures } from "./passes.ts";
import { bad, makeWorld, nameOf, START, type World } from "./test_world.ts";

const inWorld = (fn: (world: World, path: string) => Promise<void>) => () =>
  inFolder((folder) => fn(makeWorld(`${folder}/state.json`), `${folder}/state.json`));

const rowsOf = (...ns: number[]) => ns.flatMap((n) => [1, 2, 3].map((row) => `${nameOf(n)}:${row}`));
const badCrc = () => bad("bad_crc", "entry x.db");
const opened = ({ journal }: World) => journal.filter((line) => line.startsWith("open")).map((line) => line.slice(5));

Deno.test(
  "M46: files are read by time, and a second run opens none",
  inWorld(async (world) => {
    for (const n of [3, 1, 2]) world.add(n);
    const first = await world.pass();
    assert.deepEqual(world.sink, rowsOf(1, 2, 3));
    assert.equal(first.endedBy, "done");
    assert.deepEqual(first.failed, []);
    const files = { eligible: 3, processed: 3, failed: 0, partial: 0, ignored: 0, not_ready: 0 };
    assert.deepEqual(first.figures.files, files);
    assert.equal(first.figures.bytesDone, 3006);
    world.journal.length = 0;
    const second = await world.pass();
    assert.deepEqual(world.journal, []);
    assert.deepEqual(second.figures.files, { ...files, eligible: 0, processed: 0 });
    assert.equal(world.sink.length, 9);
  }),
);

Deno.test(
  "M47: a file that comes late, with an older name than processed ones, is read in the next pass",
  inWorld(async (world) => {
    world.add(2);
    world.onWait = (count) => count === 1 ? world.add(1) : world.stop.abort();
    const { endedBy, figures } = await world.pass({ mode: "spool" });
    assert.deepEqual(world.sink, rowsOf(2, 1));
    assert.deepEqual(world.waits, [60_000, 60_000]);
    assert.equal(endedBy, "stopped");
    assert.equal(figures.files.processed, 2);
    assert.equal(figures.nextPassAt, undefined);
  }),
);

Deno.test(
  "M48: a bad file between good ones is left, tried once a run until its attempts are used up, then on request",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n, n === 2 ? { fault: badCrc } : {});
    const first = await world.pass();
    assert.deepEqual(world.sink, rowsOf(1, 3));
    const failed = { name: nameOf(2), error: "bad_crc: entry x.db", attempts: 1, tried: true };
    assert.deepEqual(first.failed, [failed]);
    assert.equal(first.endedBy, "done");
    const files = { eligible: 3, processed: 2, failed: 1, partial: 0, ignored: 0, not_ready: 0 };
    assert.deepEqual(first.figures.files, files);
    for (const attempts of [2, 3]) assert.deepEqual((await world.pass()).failed, [{ ...failed, attempts }]);
    world.journal.length = 0;
    await using log = await captureLog();
    const fourth = await world.pass();
    assert.deepEqual(world.journal, []);
    assert.deepEqual(fourth.failed, [{ ...failed, attempts: 3, tried: false }]);
    assert.deepEqual(fourth.figures.files, { ...files, eligible: 0, processed: 0 });
    assert.match(
      log.lines.join("\n"),
      /warning: 1 bad files? .* not tried any more, the oldest is mega_.*--retry-failed/,
    );
    assert.deepEqual((await world.pass({ retryFailed: true })).failed, [{ ...failed, attempts: 4 }]);
    delete world.files.get(nameOf(2))!.fault;
    const last = await world.pass({ retryFailed: true });
    assert.deepEqual(last.failed, []);
    assert.deepEqual(world.sink, rowsOf(1, 3, 2));
    assert.equal((await world.openState()).entry(nameOf(2))?.status, "processed");
  }),
);

Deno.test(
  "M48: with `fail` a bad file ends the run, later files are untouched",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n, n === 2 ? { fault: badCrc } : {});
    const { endedBy, failed } = await world.pass({ onBadFile: "fail" });
    assert.equal(endedBy, "bad_file");
    assert.equal(failed[0]?.tried, true);
    assert.deepEqual(opened(world), [nameOf(1), nameOf(2)]);
    assert.equal((await world.openState()).entry(nameOf(3)), undefined);
  }),
);

Deno.test(
  "M48: while spooling a bad file is tried again after 1, 2, 4 ... intervals",
  inWorld(async (world) => {
    world.add(1, { fault: badCrc });
    const passes: number[] = [];
    world.files.get(nameOf(1))!.fault = () => {
      passes.push((world.clock.now() - START) / 60_000);
      return badCrc();
    };
    world.onWait = (count) => count === 20 && world.stop.abort();
    await world.pass({ mode: "spool", maxAttempts: 5 });
    assert.deepEqual(passes, [0, 1, 3, 7, 15]);
  }),
);

Deno.test(
  "--retry-failed tries a file once more while spooling, not in every pass",
  inWorld(async (world) => {
    world.add(1, { fault: badCrc });
    for (let run = 0; run < 3; run++) await world.pass();
    world.journal.length = 0;
    world.onWait = (count) => count === 5 && world.stop.abort();
    await world.pass({ mode: "spool", retryFailed: true });
    assert.equal(opened(world).length, 1);
  }),
);

Deno.test(
  "M49, M50: files that older tools have processed are not opened, failed ones are",
  inWorld(async (world, path) => {
    const entry = (n: number, status: string) => ({ filename: nameOf(n), status, timestamp: "2025-10-21T07:00:00Z" });
    for (const n of [1, 2, 3]) world.add(n);
    await Deno.writeTextFile(path, JSON.stringify([entry(1, "processed"), { ...entry(2, "failed"), error: "x" }]));
    await world.pass();
    assert.deepEqual(opened(world), [nameOf(2), nameOf(3)]);
    await Deno.writeTextFile(path, `{"last_time_us": ${Date.parse("2025-10-21T07:10:00Z") * 1000}}`);
    world.journal.length = 0;
    await world.pass();
    assert.deepEqual(opened(world), [nameOf(3)]);
  }),
);

Deno.test(
  "M54: files before the bound are ignored, are not in the state, and are read without it",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n);
    const boundUs = Date.parse("2025-10-21T07:15:00Z") * 1000;
    const { figures } = await world.pass({ boundUs });
    assert.equal(figures.files.ignored, 2);
    assert.equal(figures.files.eligible, 1);
    assert.deepEqual(world.bounds, [boundUs]);
    assert.deepEqual(world.sink, rowsOf(3));
    assert.equal((await world.openState()).entry(nameOf(1)), undefined);
    await world.pass();
    assert.deepEqual(world.sink, rowsOf(3, 1, 2));
  }),
);

Deno.test(
  "M66: the first listing is a full one, later ones begin a late window before the newest processed file",
  inWorld(async (world) => {
    const newest = Date.parse("2025-10-21T07:25:00Z") * 1000;
    for (const n of [1, 5]) world.add(n);
    world.onWait = (count) => count === 2 && world.stop.abort();
    await world.pass({ mode: "spool", lateWindowUs: 60e6 });
    assert.deepEqual(world.bounds, [undefined, newest - 60e6]);
    world.stop = new AbortController();
    world.bounds.length = world.waits.length = 0;
    await world.pass({ mode: "spool", lateWindowUs: 60e6, boundUs: newest });
    assert.deepEqual(world.bounds, [newest, newest]);
  }),
);

Deno.test(
  "M59: a file that has changed is read again from its first row, and the sink forgets its position before",
  inWorld(async (world) => {
    const file = world.add(1);
    await world.pass();
    file.size++;
    const forget = async ({ name }: { readonly name: string }) => {
      world.journal.push(`forget ${name}`);
      assert.equal((await world.openState()).entry(name)?.status, "processed");
    };
    const isDone = () => Promise.resolve(true);
    world.journal.length = 0;
    await world.pass({ forget, isDone });
    assert.deepEqual(world.journal.slice(0, 3), ["open", "forget", "read"].map((what) => `${what} ${nameOf(1)}`));
    assert.deepEqual(world.sink, rowsOf(1, 1));
    assert.equal((await world.openState()).entry(nameOf(1))?.rows, 3);
    world.journal.length = 0;
    await world.pass({ forget });
    assert.deepEqual(world.journal, []);
  }),
);

Deno.test(
  "the sink wins over the state: what it does not have is read, but for what early ingex has processed",
  inWorld(async (world, path) => {
    for (const n of [1, 2]) world.add(n);
    const inSink = new Set<string>();
    const isDone = ({ name }: { readonly name: string }) => Promise.resolve(inSink.has(name));
    await world.pass({ isDone });
    inSink.add(nameOf(1));
    await using log = await captureLog();
    await world.pass({ isDone });
    assert.deepEqual(world.sink, rowsOf(1, 2, 2));
    assert.match(log.lines.join("\n"), /warning: 1 processed files are not in the sink/);
    const old = { filename: nameOf(1), status: "processed", timestamp: "2025-10-21T07:03:10Z", attempts: 1 };
    await Deno.writeTextFile(path, JSON.stringify([old]));
    inSink.add(nameOf(2)).delete(nameOf(1));
    await world.pass({ isDone });
    assert.equal(world.sink.length, 9);
  }),
);

Deno.test(
  "a listing that fails is tried again for ever, what the user must change ends the run",
  inWorld(async (world) => {
    world.add(1);
    for (let i = 0; i < 40; i++) world.listFaults.push(new TransientError("Cannot list: 503"));
    assert.equal((await world.pass()).endedBy, "done");
    assert.equal(world.waits.length, 40);
    assert.deepEqual(world.sink, rowsOf(1));
    for (const mode of ["once", "spool"] as const) {
      world.listFaults.push(new ConfigError("Cannot list: NoSuchBucket"));
      await assert.rejects(world.pass({ mode }), ConfigError);
    }
  }),
);

Deno.test(
  "a pass without new files logs at debug only",
  inWorld(async (world) => {
    world.add(1);
    await world.pass();
    await using log = await captureLog();
    world.onWait = (count) => count === 3 && world.stop.abort();
    await world.pass({ mode: "spool" });
    assert.deepEqual(log.lines, Array(3).fill("debug: /fake: 1 files, 0 to read, 0 ignored"));
  }),
);

Deno.test(
  "M57: a dry run reads everything, and changes neither state nor folder nor gaps",
  inWorld(async (world, path) => {
    world.add(1);
    world.add(2, { fault: badCrc });
    world.add(4, { rowFault: { after: 1, error: new Error("Killed") } });
    await assert.rejects(world.pass(), /Killed/);
    world.files.delete(nameOf(4));
    const before = await Deno.readTextFile(path);
    world.add(3);
    const state = await world.openState({ readOnly: true });
    const forget = () => Promise.reject(new Error("Forgotten"));
    world.files.get(nameOf(1))!.size++;
    world.sink.length = 0;
    const { figures } = await world.pass({ state, deleteAfter: true, forget });
    assert.deepEqual(world.sink, rowsOf(1, 3));
    assert.equal(figures.files.processed, 2);
    assert.equal(await Deno.readTextFile(path), before);
    assert.deepEqual(world.vanished, []);
    assert.equal(world.journal.some((line) => line.startsWith("remove")), false);
  }),
);

Deno.test(
  "figures tell which file of how many is read, and what is left",
  inWorld(async (world) => {
    const figures = createPassesFigures();
    const seen: unknown[] = [];
    for (const n of [1, 2]) world.add(n);
    world.onRow = (_name, row) => {
      const { current, bytesLeft, bytesDone } = figures;
      if (row === 1) seen.push([current?.file.name, current?.number, current?.of, bytesLeft, bytesDone]);
    };
    const waiting: unknown[] = [];
    world.onWait = () => {
      waiting.push([figures.nextPassAt! - START, figures.current, figures.newestUs]);
      world.stop.abort();
    };
    await world.pass({ figures, mode: "spool" });
    assert.deepEqual(seen, [[nameOf(1), 1, 2, 1002, 0], [nameOf(2), 2, 2, 0, 1001]]);
    assert.deepEqual(waiting, [[60_000, undefined, Date.parse("2025-10-21T07:10:00Z") * 1000]]);
  }),
);
