import assert from "node:assert/strict";
import fc from "fast-check";
import type { Batch, Gap } from "../../pipeline/batch.ts";
import { ConfigError, FatalError } from "../../pipeline/errors.ts";
import { batchStream } from "../../pipeline/source.ts";
import { KeyWindow, type KeyWindowOptions } from "./key_window.ts";
import type { Lane } from "./lane.ts";
import { mergeLanes, type MergeOptions } from "./merge.ts";

const SECOND = 1e6;

/** An event of the tests: number `n` has happened at second `n`. */
interface Event {
  readonly n: number;
  readonly host: string;
  readonly keyless?: boolean;
}

/** A host of the tests. Its cursor is the number of its last event. */
interface Host {
  readonly name: string;
  readonly numbers: readonly number[];
  readonly sizes?: readonly number[];
  /** Called before each batch. */
  readonly before?: (opened: number, batch: number) => Promise<void> | void;
  /** The number that its position has reached. */
  readonly begin?: number;
  readonly opened?: (number | undefined)[];
}

function laneOf({ name, numbers, sizes = [10], before, begin, opened = [] }: Host): Lane<Event> {
  return {
    host: name,
    key: `k:${name}`,
    reached: begin === undefined ? undefined : begin * SECOND,
    open(stop, from) {
      opened.push(from);
      const first = from === undefined ? (begin ?? -1) + 1 : from / SECOND;
      return batchStream(stop, async function* (stop): AsyncGenerator<Batch<Event>, void> {
        const mine = numbers.filter((n) => n >= first);
        for (let i = 0, at = 0; at < mine.length && !stop.aborted; i++) {
          await before?.(opened.length, i);
          if (stop.aborted) return;
          const items = mine.slice(at, at += sizes[i % sizes.length]!).map((n) => ({ n, host: name }));
          const cursorAfter = (item: unknown) => String((item as Event).n);
          yield { items, cursor: cursorAfter(items[items.length - 1]), cursorAfter };
        }
      });
    },
  };
}

interface Merged {
  readonly batches: readonly Batch<Event>[];
  readonly numbers: readonly number[];
}

const BIG: KeyWindowOptions = { most: 10_000, spanUs: 10_000 * SECOND };

async function merge(
  hosts: readonly (Host | Lane<Event>)[],
  { size = BIG, stop = new AbortController().signal, ...options }:
    & { size?: KeyWindowOptions; stop?: AbortSignal }
    & Partial<MergeOptions<Event>> = {},
): Promise<Merged> {
  const batches: Batch<Event>[] = [];
  const merged = mergeLanes<Event>({
    lanes: hosts.map((host) => "open" in host ? host : laneOf(host)),
    window: new KeyWindow(size),
    keyOf: ({ n }) => String(n),
    timeOf: ({ n }) => n * SECOND,
    reachedBy: ({ cursor }) => cursor === undefined ? undefined : Number(cursor) * SECOND,
    gapOf: (host, from, to): Gap => ({ source: "test", host, unit: "us", from, to, reason: "behind", state: "open" }),
    ...options,
  }, stop);
  for await (const batch of merged) batches.push(batch);
  return { batches, numbers: batches.flatMap(({ items }) => items.map(({ n }) => n)) };
}

const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Every position is true: what its host sent up to there lies before, or in the same batch. */
function assertPositions({ batches }: Merged, hosts: readonly Host[]): void {
  const emitted = new Set<number>();
  const check = (key: string | undefined, cursor: string | undefined, context: string) => {
    if (cursor === undefined) return;
    const { numbers, begin = -1 } = hosts.find(({ name }) => `k:${name}` === key)!;
    for (const n of numbers) {
      if (n > begin && n <= Number(cursor)) assert(emitted.has(n), `${context}: ${key} at ${cursor} without ${n}`);
    }
  };
  for (const { items, key, cursor, cursorAfter } of batches) {
    for (const item of items) {
      emitted.add(item.n);
      check(key, cursorAfter?.(item), "cut");
    }
    check(key, cursor, "whole");
  }
  for (const { name, numbers } of hosts) {
    const last = batches.findLast(({ key, cursor }) => key === `k:${name}` && cursor !== undefined);
    assert.equal(
      last?.cursor,
      numbers.length === 0 ? undefined : String(numbers.at(-1)),
      `the last position of ${name}`,
    );
  }
}

Deno.test("J44: of any hosts, at any speeds, each event comes once, and every position is true", async () => {
  const host = fc.record({
    missing: fc.uniqueArray(fc.nat(300)),
    sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
    waits: fc.array(fc.constantFrom(0, 0, 0, 1, 3), { minLength: 1, maxLength: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(host, { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 80, max: 600 }),
      async (all, span) => {
        const hosts = all.map(({ missing, sizes, waits }, h): Host => ({
          name: `h${h}`,
          numbers: range(0, 300).filter((n) => !missing.includes(n)),
          sizes,
          before: (_, i) => new Promise((resolve) => setTimeout(resolve, waits[i % waits.length])),
          begin: -1,
        }));
        const merged = await merge(hosts, { size: { most: 1000, spanUs: span * SECOND } });
        assert.deepEqual(ascending(merged.numbers), [...new Set(ascending(hosts.flatMap(({ numbers }) => numbers)))]);
        assertPositions(merged, hosts);
        const duplicates = merged.batches.reduce((n, batch) => n + (batch.duplicates ?? 0), 0);
        assert.equal(merged.numbers.length + duplicates, hosts.reduce((n, { numbers }) => n + numbers.length, 0));
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("events without a key come from every host", async () => {
  const { numbers } = await merge([{ name: "a", numbers: range(0, 9) }, { name: "b", numbers: range(0, 9) }], {
    keyOf: ({ n }) => n % 2 === 0 ? String(n) : undefined,
  });
  assert.deepEqual(ascending(numbers), [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9]);
});

Deno.test("a host far ahead waits for one that catches up", async () => {
  let most = 0;
  const reached = new Map([["slow", 0], ["fast", 0]]);
  const slow: Host = {
    name: "slow",
    numbers: range(0, 2000),
    sizes: [20],
    begin: 0,
    before: () => new Promise((resolve) => setTimeout(resolve, 1)),
  };
  const fast: Host = { name: "fast", numbers: range(0, 2000), sizes: [20], begin: 0 };
  const { numbers, batches } = await merge([slow, fast], {
    size: { most: 10_000, spanUs: 200 * SECOND },
    onBatch: (hosts) => {
      for (const host of hosts) reached.set(host.host, host.reached! / SECOND);
      most = Math.max(most, reached.get("fast")! - reached.get("slow")!);
    },
  });
  assert.deepEqual(ascending(numbers), range(1, 2000));
  assert.deepEqual(batches.flatMap(({ gaps = [] }) => gaps), []);
  assert(most > 50 && most <= 100 + 2 * 20, `${most} s ahead`);
});

Deno.test("a host that comes back from behind the window goes on where copies are known, with a gap", async () => {
  const back = Promise.withResolvers<void>();
  const opened: (number | undefined)[] = [];
  const late: Host = {
    name: "late",
    numbers: range(0, 1000),
    begin: 0,
    opened,
    before: (openings, batch) => openings === 1 && batch === 1 ? back.promise : undefined,
  };
  const other: Host = {
    name: "other",
    numbers: range(0, 1000),
    begin: 0,
    before: (_, batch) => {
      // The other one goes on alone, as one that does not answer is not waited for, and has its end when both are through.
      if (batch === 60) back.resolve();
      return batch < 60 ? undefined : new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
  const merged = await merge([late, other], { patienceMs: 20, size: { most: 10_000, spanUs: 200 * SECOND } });
  assert.deepEqual(ascending(merged.numbers), range(1, 1000));
  assertPositions(merged, [late, other]);
  const gaps = merged.batches.flatMap(({ gaps = [], key }) => gaps.map((gap) => ({ ...gap, key })));
  assert.equal(gaps.length, 1);
  const { host, key, from, to, reason } = gaps[0]!;
  assert.deepEqual({ host, key, from, reason }, { host: "late", key: "k:late", from: 10 * SECOND, reason: "behind" });
  assert.deepEqual(opened, [undefined, to]);
  assert(to! > 400 * SECOND && to! < 600 * SECOND, `resumed at ${to}`);
});

Deno.test("hosts that are behind together lose nothing, also when only a part of the last run is known", async () => {
  const window = new KeyWindow({ most: 10_000, spanUs: 100 * SECOND });
  for (const n of range(0, 500)) {
    window.take(String(n));
    window.date(n * SECOND);
  }
  // `a` was 400 s ahead of `b`: all of it is remembered, so `b` need not skip.
  const a: Host = { name: "a", numbers: range(0, 900), begin: 500 };
  const b: Host = { name: "b", numbers: range(0, 900), begin: 100 };
  const known = await merge([a, b], { window });
  assert.deepEqual(ascending(known.numbers), range(501, 900));
  assert.deepEqual(known.batches.flatMap(({ gaps = [] }) => gaps), []);
  const short = new KeyWindow({ most: 10_000, spanUs: 100 * SECOND });
  for (const n of range(420, 500)) {
    short.take(String(n));
    short.date(n * SECOND);
  }
  short.since = 419 * SECOND;
  const unknown = await merge([a, b], { window: short });
  assert.deepEqual(ascending(unknown.numbers), range(501, 900));
  const [gap, ...others] = unknown.batches.flatMap(({ gaps = [] }) => gaps);
  assert.deepEqual([gap?.host, gap?.from, gap?.to, others], ["b", 100 * SECOND, (419 + 81 / 4) * SECOND, []]);
});

const failing = (name: string, error: unknown): Lane<Event> => ({
  host: name,
  key: `k:${name}`,
  reached: undefined,
  open: () => new ReadableStream({ pull: (controller) => controller.error(error) }),
});

Deno.test("a host that fails is left out while another one lives; when all have failed, the last error counts", async () => {
  const a: Host = { name: "a", numbers: range(0, 50), before: () => new Promise((resolve) => setTimeout(resolve, 1)) };
  const { numbers } = await merge([a, failing("b", new ConfigError("Refused"))]);
  assert.deepEqual(numbers, range(0, 50));
  const failed = merge([failing("a", new FatalError("One")), failing("b", new ConfigError("Two"))]);
  await assert.rejects(failed, { message: "Two" });
  await assert.rejects(merge([a, failing("b", new TypeError("A bug"))]), { message: "A bug" });
});

Deno.test("stopping ends all hosts, also one that waits for another; what was read is handed on", async () => {
  const stop = new AbortController();
  const stuck: Host = {
    name: "stuck",
    numbers: range(0, 500),
    sizes: [5],
    begin: 0,
    before: (_, batch) =>
      batch < 3 ? undefined : new Promise((resolve) => stop.signal.addEventListener("abort", () => resolve())),
  };
  const held: Host = { name: "held", numbers: range(0, 500), sizes: [5], begin: 0 };
  setTimeout(() => stop.abort(), 50);
  const { numbers } = await merge([stuck, held], { stop: stop.signal, size: { most: 10_000, spanUs: 100 * SECOND } });
  assert(numbers.length >= 65 && numbers.length < 80, `${numbers.length} events`);
  assert.deepEqual(ascending(numbers), range(1, numbers.length));
});

Deno.test("when another host has come to its end, one that does not answer is given up", async () => {
  const a: Host = { name: "a", numbers: range(0, 20) };
  const silent: Lane<Event> = { ...laneOf({ name: "b", numbers: [] }), open: () => new ReadableStream() };
  const { numbers } = await merge([a, silent], { patienceMs: 20 });
  assert.deepEqual(numbers, range(0, 20));
});

Deno.test("what is known by other means is a copy until a host is past it", async () => {
  const asked = new Set<number>();
  const a: Host = { name: "a", numbers: range(0, 40), begin: 5, sizes: [5] };
  const b: Host = { name: "b", numbers: range(0, 40), begin: 10, sizes: [5] };
  const test = (key: string) => asked.add(Number(key)) && Number(key) <= 15;
  const { numbers } = await merge([a, b], { known: { until: 20 * SECOND, test } });
  assert.deepEqual(ascending(numbers), range(16, 40));
  assert.deepEqual(ascending([...asked]), range(6, 25));
});

Deno.test("positions are marked with how many events lie before them", async () => {
  const a: Host = { name: "a", numbers: range(0, 29) };
  const b: Host = { name: "b", numbers: range(0, 29) };
  const { batches } = await merge([a, b], { mark: (cursor, taken) => `${cursor} after ${taken}` });
  let count = 0;
  for (const { items, cursor, cursorAfter } of batches) {
    items.forEach((item, i) => assert.equal(cursorAfter!(item)?.split(" after ")[1], String(count + i + 1)));
    count += items.length;
    assert.equal(cursor!.split(" after ")[1], String(count));
  }
  assert.equal(count, 30);
});

Deno.test("apart, each batch is of one host and has its position; together, the first failure ends all", async () => {
  const a: Host = { name: "a", numbers: range(0, 300), sizes: [3, 7] };
  const b: Host = { name: "b", numbers: range(0, 200), sizes: [11] };
  const apart = { apart: true, keyOf: () => undefined, reachedBy: () => undefined, patienceMs: Infinity };
  const { batches, numbers } = await merge([a, b], apart);
  assert.deepEqual(ascending(numbers), ascending([...a.numbers, ...b.numbers]));
  for (const { key, items, cursor } of batches) {
    assert(items.every(({ host }) => key === `k:${host}`));
    assert.equal(cursor, String(items.at(-1)!.n));
  }
  assert(batches.length < 12, `${batches.length} batches`);
  await assert.rejects(merge([a, failing("c", new ConfigError("Refused"))], { ...apart, failTogether: true }), {
    message: "Refused",
  });
});
