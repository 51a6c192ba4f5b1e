import assert from "node:assert/strict";
import { captureLog } from "../../../tests/support/log_records.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { ConfigError, TransientError } from "../../../lib/pipeline/errors.ts";
import type { BadFileCode, ListedFile, LocalFile } from "../../../lib/sources/megastream/files.ts";
import { createPassesFigures } from "./passes.ts";
import { bad, makeWorld, nameOf, type World } from "./test_world.ts";

const inWorld = (fn: (world: World) => Promise<void>) => () => inFolder((folder) => fn(makeWorld(`${folder}/s.json`)));

const rowsOf = (...ns: number[]) => ns.flatMap((n) => [1, 2, 3].map((row) => `${nameOf(n)}:${row}`));

/** A file that is being copied: it grows at each wait until it has its size, and is bad until then. */
function addGrowing(world: World, n: number, waits: number, code: BadFileCode = "truncated"): void {
  const file = world.add(n, { fault: () => waits > 0 ? bad(code) : undefined });
  world.onWait = () => {
    if (waits-- > 0) file.size += 1000;
  };
}

Deno.test(
  "M56: once: a file that is still being copied is waited for after the others, and read once",
  inWorld(async (world) => {
    addGrowing(world, 1, 7);
    world.add(2);
    const { figures, failed } = await world.pass();
    assert.deepEqual(world.sink, rowsOf(2, 1));
    assert.deepEqual(failed, []);
    assert.equal(figures.files.not_ready, 0);
    assert.equal(figures.files.processed, 2);
    assert.ok(world.waits.every((ms) => ms === 1000));
    const entry = (await world.openState()).entry(nameOf(1));
    assert.partialDeepStrictEqual(entry, { status: "processed", attempts: 1, size: 8001 });
    await world.pass();
    assert.equal(world.sink.length, 6);
  }),
);

Deno.test(
  "M56: spool: a file that is still being copied is left for the next pass, and counts as no attempt",
  inWorld(async (world) => {
    const file = world.add(1, { fault: () => bad("truncated") });
    const notReady: number[] = [];
    const figures = createPassesFigures();
    world.onWait = (count) => {
      if (world.waits[count - 1] === 1000) file.size++;
      else {
        notReady.push(figures.files.not_ready);
        if (notReady.length === 3) delete file.fault;
        if (notReady.length === 4) world.stop.abort();
      }
    };
    await world.pass({ mode: "spool", figures, maxAttempts: 1 });
    assert.deepEqual(notReady, [1, 1, 1, 0]);
    assert.deepEqual(world.sink, rowsOf(1));
    assert.equal((await world.openState()).entry(nameOf(1))?.attempts, 1);
  }),
);

Deno.test(
  "M56: a file that is incomplete and does not move is bad after a second; others at once",
  inWorld(async (world) => {
    for (const [n, code] of (["truncated", "empty", "bad_crc", "unknown_format"] as const).entries()) {
      world.waits.length = 0;
      world.files.clear();
      world.add(n, { fault: () => bad(code) });
      const { failed } = await world.pass();
      assert.equal(failed.find(({ tried }) => tried)?.error, `${code}: x`);
      assert.deepEqual(world.waits, n < 2 ? [1000] : []);
    }
  }),
);

Deno.test(
  "M56: a file that changes although it looks complete is not ready either",
  inWorld(async (world) => {
    let opens = 0;
    const file = world.add(1, { fault: () => void (opens++ < 2 && file.modifiedMs++) as undefined });
    await world.pass();
    assert.equal(opens, 3);
    assert.deepEqual(world.sink, rowsOf(1));
    assert.equal(world.journal.filter((line) => line.startsWith("close")).length, 3);
    const other = world.add(2, { fault: () => opens++ < 4 ? (other.size++, bad("bad_crc")) : undefined });
    await world.pass();
    assert.deepEqual(world.sink, rowsOf(1, 2));
  }),
);

Deno.test(
  "M56: where files come whole, a bad one is bad at once",
  inWorld(async (world) => {
    world.add(1, { fault: () => bad("truncated") });
    const { look: _, ...store } = world.store;
    const { failed } = await world.pass({ store });
    assert.equal(failed.length, 1);
    assert.deepEqual(world.waits, []);
  }),
);

Deno.test(
  "M69: the next file is opened while one is read, never more than one ahead",
  inWorld(async (world) => {
    for (const n of [1, 2, 3]) world.add(n, { rows: 100 });
    world.onRow = (name, row) => row === 99 && world.journal.push(`end ${name}`);
    await world.pass();
    const numbered = world.journal.map((line) =>
      line.replace(/mega\S+/, (name) => String([1, 2, 3].find((n) => nameOf(n) === name)))
    );
    const at = (line: string) => numbered.indexOf(line);
    assert.deepEqual(numbered.filter((line) => line.startsWith("open")), ["open 1", "open 2", "open 3"]);
    assert.ok(at("open 2") < at("end 1"), "while the first is read");
    assert.ok(at("open 3") > at("close 1") && at("open 3") < at("end 2"));
  }),
);

Deno.test(
  "M69: what is wrong with the next file is told in its turn",
  inWorld(async (world) => {
    await using log = await captureLog();
    for (const n of [1, 2, 3]) world.add(n, n === 2 ? { fault: () => bad("encrypted") } : {});
    await world.pass();
    const lines = log.lines.filter((line) => !line.startsWith("info"));
    assert.deepEqual(lines, [
      `debug: ${nameOf(1)}: 3 rows`,
      `warning: Cannot read ${nameOf(2)}: encrypted: x`,
      `debug: ${nameOf(3)}: 3 rows`,
    ]);
    world.add(4);
    world.add(5, { fault: () => new ConfigError("Cannot fetch: 403") });
    await assert.rejects(world.pass({ maxAttempts: 1 }), ConfigError);
    assert.deepEqual(world.sink, rowsOf(1, 3, 4));
  }),
);

Deno.test(
  "no space for the next file: it is tried again when the one before is done with, and no attempt is counted",
  inWorld(async (world) => {
    let inUse = 0, opens = 0;
    for (const n of [1, 2]) world.add(n);
    const open = (file: ListedFile): Promise<LocalFile> => {
      opens++;
      if (inUse > 0) return Promise.reject(new TransientError("Cannot write: no space left on the device"));
      inUse++;
      return Promise.resolve({ path: file.name, [Symbol.asyncDispose]: () => Promise.resolve(void inUse--) });
    };
    await world.pass({ open });
    assert.deepEqual(world.sink, rowsOf(1, 2));
    assert.deepEqual([opens, world.waits, inUse], [3, [], 0]);
    assert.equal((await world.openState()).entry(nameOf(2))?.attempts, 1);
  }),
);

Deno.test(
  "what is transient is tried for ever, and a stop ends that",
  inWorld(async (world) => {
    let faults = 50;
    const file = world.add(1, { fault: () => faults-- > 0 ? new TransientError("Cannot fetch: reset") : undefined });
    await world.pass();
    assert.equal(world.waits.length, 50);
    assert.deepEqual(world.sink, rowsOf(1));
    world.add(2);
    file.size++;
    faults = 1e9;
    world.onWait = (count) => count === 60 && world.stop.abort();
    const { endedBy } = await world.pass();
    assert.equal(endedBy, "stopped");
    assert.equal(world.sink.length, 3);
  }),
);

Deno.test(
  "a stop while a file is fetched, or looked at again, ends the run without an attempt",
  inWorld(async (world) => {
    world.add(1);
    const open = (_file: ListedFile, { signal }: { readonly signal: AbortSignal }) =>
      new Promise<LocalFile>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        world.stop.abort();
      });
    assert.equal((await world.pass({ open })).endedBy, "stopped");
    world.stop = new AbortController();
    world.files.get(nameOf(1))!.fault = () => bad("truncated");
    world.onWait = () => world.stop.abort();
    assert.equal((await world.pass()).endedBy, "stopped");
    assert.equal((await world.openState()).entry(nameOf(1)), undefined);
  }),
);

Deno.test(
  "a run that fails gives up the file it was fetching ahead, and disposes of it",
  inWorld(async (world) => {
    for (const n of [1, 2]) world.add(n);
    world.files.get(nameOf(1))!.rowFault = { after: 2, error: new Error("Bug") };
    let aborted = false;
    const open = async (file: ListedFile, { signal }: { readonly signal: AbortSignal }) => {
      if (file.name === nameOf(2)) {
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        aborted = true;
      }
      world.journal.push(`open ${file.name}`);
      return {
        path: file.name,
        [Symbol.asyncDispose]: () => Promise.resolve(void world.journal.push(`close ${file.name}`)),
      };
    };
    await assert.rejects(world.pass({ open }), /^Error: Bug$/);
    assert.equal(aborted, true);
    assert.deepEqual(world.journal.filter((line) => !line.startsWith("read")), [
      `open ${nameOf(1)}`,
      `close ${nameOf(1)}`,
      `open ${nameOf(2)}`,
      `close ${nameOf(2)}`,
    ]);
  }),
);
