import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { collect, memoryStore, SEED } from "../../../tests/support/pipeline_ends.ts";
import { inFolder, tempFolder } from "../../../tests/support/temp.ts";
import type { AnyEvent } from "../../atproto/event.ts";
import { type Batch, split, weigh } from "../../pipeline/batch.ts";
import type { Letter } from "../../pipeline/deliver.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { runPipeline } from "../../pipeline/pipeline.ts";
import type { Sink } from "../../pipeline/sink.ts";
import { filterEvents, mapEvents, regroup } from "../../pipeline/stages.ts";
import { createRowCounters, END, megastreamFile, type MegastreamFileOptions } from "./file_source.ts";
import { BadFileError, type Row } from "./files.ts";
import { damage, databaseOf } from "./test_databases.ts";
import { DELETE, DID, FILE, OPTIONS, postRow, rowOf, stateRow } from "./test_rows.ts";

const posts = (...rows: number[]): Row[] => rows.map((row) => postRow({ row: { row } }));
const rowOfEvent = (event: AnyEvent) => (event as { enriched?: { row: number } }).enriched?.row;
const rowsIn = ({ items }: Batch<AnyEvent>) => items.map(rowOfEvent);

/** Makes a file with these rows, and the source that reads it. */
function inFile(
  rows: readonly Row[],
  fn: (
    source: (options?: Partial<MegastreamFileOptions>) => ReturnType<typeof megastreamFile>,
    path: string,
  ) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const path = join(folder, "x.db");
    databaseOf(path, rows);
    const { fileTimeUs } = OPTIONS;
    await fn((options) => megastreamFile({ path, name: FILE, fileTimeUs, ...options }), path);
  });
}

Deno.test("Rows become batches whose positions are rowids, the last one says that all is read", () =>
  inFile(posts(1, 2, 4, 7, 8), async (open) => {
    const source = open({ sliceRows: 2 });
    equal(source.key, `megastream:${FILE}`);
    equal(source.last, undefined);
    const batches = await collect(source.open());
    deepEqual(batches.map(rowsIn), [[1, 2], [4, 7], [8], []]);
    deepEqual(batches.map(({ cursor }) => cursor), ["2", "7", "8", END]);
    deepEqual(batches.map(({ end }) => end), [undefined, undefined, undefined, true]);
    deepEqual(batches[0]!.items[0]!.origin, { source: "megastream", wire: "row", host: FILE });
    equal(source.last, 8);
    equal(source.row, 8);
  }));

Deno.test("A table without rows is at its end at once", () =>
  inFile([], async (open) => {
    deepEqual(await collect(open().open()), [{ items: [], cursor: END, end: true }]);
  }));

Deno.test("Reading goes on behind a position, and a file at its end is not opened", () =>
  inFile(posts(1, 2, 3), async (open, path) => {
    deepEqual((await collect(open().open({ cursor: "2" }))).map(rowsIn), [[3], []]);
    deepEqual((await collect(open().open({ cursor: "3" }))).map(rowsIn), [[]]);
    Deno.removeSync(path);
    deepEqual(await collect(open().open({ cursor: END })), [{ items: [], cursor: END, end: true }]);
  }));

Deno.test("A position of another source is refused", () =>
  inFile(posts(1), async (open) => {
    for (const cursor of ["", "x", "1.5", "99999999999999999", '{"v":1}']) {
      await rejects(collect(open().open({ cursor })), ConfigError, cursor);
    }
  }));

Deno.test("A batch that is cut goes on exactly behind the cut", () =>
  inFile([...posts(1, 2, 3), rowOf("{}", { row: 4 }), ...posts(5)], async (open) => {
    const [batch] = await collect(open().open());
    const [first, second] = split(batch!, 2);
    equal(first.cursor, "2");
    deepEqual([rowsIn(first), rowsIn(second)], [[1, 2], [3]]);
    equal(second.cursor, "4");
    equal(second.poison?.length, 1);
    equal(batch!.cursorAfter!({}), undefined);
    const again = await collect(open().open({ cursor: first.cursor }));
    deepEqual(again.map(rowsIn), [[3], [5], []]);
  }));

Deno.test("Wherever batches are cut, what passed up to a position are exactly the rows up to it", async () => {
  const plan = fc.record({
    kinds: fc.array(fc.constantFrom("post", "post", "skipped", "rejected", "unwanted", "unmapped"), { maxLength: 60 }),
    sliceRows: fc.integer({ min: 1, max: 20 }),
    size: fc.integer({ min: 1, max: 7 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ kinds, sliceRows, size }) => {
      const rows = kinds.map((kind, i) => {
        if (kind === "rejected") return rowOf("{}", { row: i + 1 });
        return kind === "skipped" ? stateRow({ kind: "identity" }, { row: i + 1 }) : posts(i + 1)[0]!;
      });
      const kindOf = (event: AnyEvent) => kinds[rowOfEvent(event)! - 1];
      await inFile(rows, async (open) => {
        const groups = await collect(
          open({ sliceRows }).open()
            .pipeThrough(filterEvents((event) => kindOf(event) !== "unwanted"))
            .pipeThrough(mapEvents((event) => kindOf(event) === "unmapped" ? undefined : event))
            .pipeThrough(regroup({ size, ms: 60_000 })),
        );
        let passed = 0;
        for (const group of groups) {
          passed += weigh(group);
          if (group.cursor !== undefined && group.cursor !== END) equal(passed, Number(group.cursor));
        }
        equal(passed, kinds.length);
      });
    }),
    { seed: SEED, numRuns: 60 },
  );
});

Deno.test("A rejected row ends its batch and tells the position before it", () =>
  inFile([
    ...posts(1),
    rowOf("no json", { row: 2, at_uri: null }),
    rowOf(null, { row: 3 }),
    stateRow({ kind: "identity" }, { row: 4 }),
    ...posts(5),
    rowOf(new Uint8Array([0xff]), { row: 6 }),
  ], async (open) => {
    const [first, second] = await collect(open().open());
    deepEqual([rowsIn(first!), first!.cursor, first!.filtered], [[1], "4", 1]);
    deepEqual([rowsIn(second!), second!.cursor, second!.filtered], [[5], "6", undefined]);
    const poison = [...first!.poison!, ...second!.poison!];
    deepEqual(poison.map(({ error }) => error.reason), ["bad_raw_post", "bad_raw_post", "bad_type"]);
    deepEqual(poison.map(({ raw }) => raw), ["no json", "", new Uint8Array([0xff])]);
    deepEqual(poison.map(({ detail }) => detail!.position), ["1", "2", "5"]);
    deepEqual(poison[0]!.detail, {
      wire: "row",
      host: FILE,
      row: 2,
      at_uri: null,
      did: DID,
      raw_post: "no json",
      position: "1",
    });
    deepEqual((await collect(open().open({ cursor: "3" }))).map(rowsIn), [[5], []]);
  }));

Deno.test("A rejected row in front of all others has no position before it", () =>
  inFile([rowOf("{}", { row: 1 })], async (open) => {
    const [batch] = await collect(open().open());
    equal(batch!.poison![0]!.detail!.position, null);
  }));

Deno.test("Rows are counted by what they are", () =>
  inFile([
    ...posts(1, 2),
    postRow({ row: { row: 3, inferences: "{" }, record: { reply: { root: { uri: "at://did:plc:a/b/c" } } } }),
    postRow({ row: { row: 4 }, commit: DELETE }),
    stateRow({ kind: "account", account: { active: false, did: DID, status: "deleted" } }, { row: 5 }),
    stateRow({ kind: "account", account: { active: false, did: DID, status: "takendown" } }, { row: 6 }),
    stateRow({ kind: "identity" }, { row: 7 }),
    rowOf("{}", { row: 8 }),
    rowOf("[]", { row: 9 }),
  ], async (open) => {
    const counters = createRowCounters();
    await collect(open({ counters }).open());
    deepEqual(counters, {
      rows: 9,
      posts: 2,
      replies: 1,
      deletes: 1,
      account_deletions: 1,
      skipped: new Map([["account", 1], ["identity", 1]]),
      rejected: new Map([["bad_raw_post", 2]]),
      badInferences: 1,
    });
    const purging = createRowCounters();
    await collect(open({ counters: purging, purgeAccounts: ["deleted", "takendown"] }).open());
    equal(purging.account_deletions, 2);
  }));

Deno.test("Inferences that nobody wants are not read", () =>
  inFile([postRow({ row: { row: 1, inferences: `{"success":true}` } })], async (open) => {
    const inferencesOf = async (inferences: boolean) => {
      const [batch] = await collect(open({ inferences }).open());
      return (batch!.items[0] as { enriched?: { inferences?: string } }).enriched!.inferences;
    };
    equal(await inferencesOf(true), `{"success":true}`);
    equal(await inferencesOf(false), undefined);
  }));

Deno.test("Writes are not kept waiting for more than 16 MiB of rows", () => {
  const raw_post = `{"x":"${"y".repeat(5 * 1024 * 1024)}"}`;
  return inFile([1, 2, 3, 4, 5].map((row) => rowOf(raw_post, { row })), async (open) => {
    const batches = await collect(open().open());
    deepEqual(batches.map(({ urgent }) => urgent), [undefined, undefined, undefined, true, undefined, undefined]);
  });
});

Deno.test("Stopping ends the stream soon and without an error, and the next run goes on there", () =>
  inFile(posts(...Array.from({ length: 50 }, (_, i) => i + 1)), async (open) => {
    const stop = new AbortController();
    const seen: (number | undefined)[] = [];
    let last: string | undefined;
    for await (const batch of open({ sliceRows: 5 }).open({ stop: stop.signal })) {
      seen.push(...rowsIn(batch));
      last = batch.cursor;
      equal(batch.end, undefined);
      if (seen.length === 10) stop.abort();
    }
    equal(last, "10");
    for await (const batch of open().open({ cursor: last })) seen.push(...rowsIn(batch));
    deepEqual(seen, Array.from({ length: 50 }, (_, i) => i + 1));
  }));

Deno.test("A reader that goes away closes the file", () =>
  inFile(posts(1, 2, 3), async (open) => {
    for await (const batch of open({ sliceRows: 1 }).open()) {
      deepEqual(rowsIn(batch), [1]);
      break;
    }
  }));

Deno.test("Other work goes on while a file is read into a sink that answers at once", () =>
  inFile(posts(...Array.from({ length: 100 }, (_, i) => i + 1)), async (open) => {
    let turns = 0, reading = true;
    const other = async () => {
      for (; reading; turns++) await setImmediate();
    };
    const turning = other();
    await collect(open({ sliceRows: 1 }).open());
    reading = false;
    await turning;
    ok(turns >= 100, String(turns));
  }));

/** A sink that keeps the rowids, and refuses from a number of writes on. */
function rowSink(writes = Infinity): Sink<AnyEvent> & { readonly rows: number[] } {
  const rows: number[] = [];
  let count = 0;
  return {
    name: "rows",
    rows,
    write({ items }) {
      if (++count > writes) return Promise.reject(new Error("The sink is broken"));
      rows.push(...rowsIn({ items, cursor: undefined }) as number[]);
      return Promise.resolve({ rejected: [] });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("M43: the rows before a damaged page are written and the position stays there, the next run goes on behind it", () =>
  inFile(posts(...Array.from({ length: 200 }, (_, i) => i + 1)), async (open, path) => {
    using folder = tempFolder();
    const whole = join(folder.path, "whole.db");
    Deno.copyFileSync(path, whole);
    damage(path);
    const checkpoints = memoryStore();
    const sink = rowSink();
    const run = async () => {
      const source = open({ sliceRows: 7 });
      await runPipeline({ source, sink, checkpoints });
      ok(source.failure instanceof BadFileError);
      equal(source.failure.code, "corrupt");
    };
    await run();
    const { key } = open();
    const position = Number(checkpoints.positions.get(key));
    ok(position > 10 && position < 190, String(position));
    deepEqual(sink.rows, Array.from({ length: position }, (_, i) => i + 1));
    deepEqual(checkpoints.saves.at(-1), { key, cursor: String(position), end: false });
    await run();
    equal(sink.rows.length, position);
    await runPipeline({ source: open({ path: whole }), sink, checkpoints });
    deepEqual(sink.rows, Array.from({ length: 200 }, (_, i) => i + 1));
    deepEqual(checkpoints.saves.at(-1), { key, cursor: END, end: true });
  }));

Deno.test("A file that cannot be opened is the stream's error", () =>
  inFile(posts(1), async (open, path) => {
    Deno.writeTextFileSync(path, "SQLite format 3\0".padEnd(4096, "x"));
    await rejects(collect(open().open()), BadFileError);
    Deno.removeSync(path);
    await rejects(collect(open().open()), TransientError);
  }));

Deno.test("Through a pipeline every row is written or dead, and a run after a failure goes on at its row", () => {
  const rows = Array.from({ length: 100 }, (_, i) => i % 9 === 4 ? rowOf("{}", { row: i + 1 }) : posts(i + 1)[0]!);
  return inFile(rows, async (open) => {
    const checkpoints = memoryStore();
    const dead: unknown[] = [];
    const deadLetter = (letters: readonly Letter[]) => {
      dead.push(...letters.map(({ detail }) => detail!.row));
      return Promise.resolve();
    };
    const run = (sink: Sink<AnyEvent>) =>
      runPipeline({ source: open({ sliceRows: 6 }), sink, checkpoints, deadLetter, batchSize: 10, checkpointMs: 0 });
    const broken = rowSink(3);
    await rejects(run(broken), /broken/);
    const position = Number(checkpoints.positions.get(open().key));
    ok(position >= broken.rows.at(-1)!, `${position}`);
    const sink = rowSink();
    await run(sink);
    const isDead = (row: number) => (row - 1) % 9 === 4;
    const all = Array.from({ length: 100 }, (_, i) => i + 1);
    deepEqual([...broken.rows, ...sink.rows], all.filter((row) => !isDead(row)));
    deepEqual([...new Set(dead)], all.filter(isDead));
  });
});
