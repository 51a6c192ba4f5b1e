import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import { collect, type Num, numbers, SEED, streamOf, until } from "../../tests/support/pipeline_ends.ts";
import { type Batch, weigh } from "./batch.ts";
import { PoisonError } from "./errors.ts";
import { filterEvents, mapEvents, regroup } from "./stages.ts";

/** So long that within a test only the size cuts. */
const NEVER_MS = 600_000;

const read = (count: number, sizes: number[]) => numbers({ count, sizes }).open();
const values = (batch: Batch<Num>) => batch.items.map((item) => item.n);
const dead = (batch: Batch<unknown>) => batch.poison?.map(({ item, raw, error }) => [item ?? raw, error.reason]);

Deno.test("mapEvents: one to one, to several, to none; the cursor stays", async () => {
  const batch = { items: [1, 2, 3, 4], cursor: "4", key: "k", filtered: 10, duplicates: 3, end: true };
  const [out] = await collect(
    streamOf(batch).pipeThrough(
      mapEvents((n: number) => n === 1 ? "a" : n === 2 ? ["b", "c"] : n === 3 ? [] : undefined),
    ),
  );
  deepEqual(out!.items, ["a", "b", "c"]);
  deepEqual([out!.cursor, out!.key, out!.filtered, out!.duplicates, out!.end], ["4", "k", 12, 3, true]);
});

Deno.test("mapEvents: a PoisonError sends that event to the dead letter, before what was dead already", async () => {
  const raw = [{ raw: "{", error: new PoisonError("not_json", "Cannot read it") }];
  const [out] = await collect(
    streamOf({ items: [1, 2, 3], cursor: "4", poison: raw }).pipeThrough(mapEvents((n: number) => {
      if (n === 2) throw new PoisonError("lexicon", "Cannot accept it");
      return n;
    })),
  );
  deepEqual(out!.items, [1, 3]);
  deepEqual(dead(out!), [[2, "lexicon"], ["{", "not_json"]]);
  equal(out!.cursor, "4");
});

Deno.test("mapEvents, filterEvents: any other error ends the stream", async () => {
  const fail = () => {
    throw new TypeError("Something nobody thought of");
  };
  await rejects(collect(read(4, [2]).pipeThrough(mapEvents(fail))), TypeError);
  await rejects(collect(read(4, [2]).pipeThrough(filterEvents(fail))), TypeError);
});

Deno.test("mapEvents: the position after an item is that after its event, and none between two items of one event", async () => {
  const [out] = await collect(
    read(4, [4]).pipeThrough(mapEvents(({ n }) => n === 0 ? undefined : n === 2 ? ["2", "2b"] : String(n))),
  );
  deepEqual(out!.items, ["1", "2", "2b", "3"]);
  deepEqual(out!.items.map((item) => out!.cursorAfter?.(item)), ["1", undefined, "2", "3"]);
  equal(out!.cursorAfter?.("4"), undefined);
});

Deno.test("mapEvents: no position is named behind an event that is dead: it would pass it", async () => {
  const [out] = await collect(
    read(4, [4]).pipeThrough(mapEvents(({ n }) => {
      if (n === 1) throw new PoisonError("lexicon", "Cannot accept it");
      return String(n);
    })),
  );
  deepEqual(out!.items.map((item) => out!.cursorAfter?.(item)), ["0", undefined, undefined]);
  equal(out!.cursor, "3");
});

Deno.test("mapEvents: no position is named after an item that is there twice", async () => {
  const [out] = await collect(read(5, [5]).pipeThrough(mapEvents(({ n }) => ["a", "b", "a", "c", "a"][n])));
  deepEqual(out!.items.map((item) => out!.cursorAfter?.(item)), [undefined, "1", undefined, "3", undefined]);
});

Deno.test("filterEvents: the others count as filtered; cursor and positions stay", async () => {
  const batch: Batch<Num> = { items: [], cursor: "9", filtered: 2, duplicates: 1 };
  const [first, second, last] = await collect(
    new ReadableStream<Batch<Num>>({
      async start(controller) {
        for await (const each of read(8, [4])) controller.enqueue(each);
        controller.enqueue(batch);
        controller.close();
      },
    }).pipeThrough(filterEvents(({ n }) => n % 2 === 1 && n < 4)),
  );
  deepEqual([values(first!), first!.cursor, first!.filtered], [[1, 3], "3", 2]);
  deepEqual(first!.items.map((item) => first!.cursorAfter?.(item)), ["1", "3"]);
  deepEqual([values(second!), second!.cursor, second!.filtered], [[], "7", 4]);
  deepEqual([last!.cursor, last!.filtered, last!.duplicates], ["9", 2, 1]);
});

Deno.test("regroup: joins small batches and cuts large ones, each group with its position", async () => {
  const groups = await collect(read(20, [2, 1, 9]).pipeThrough(regroup({ size: 4, ms: NEVER_MS })));
  deepEqual(groups.map((g) => g.items.length), [4, 4, 4, 4, 4]);
  deepEqual(groups.map((g) => g.cursor), ["3", "7", "11", "15", "19"]);
});

Deno.test("regroup: where a batch gives as much at once, a group is several times its size", async () => {
  const lengths = async (...sizes: number[]) => {
    const groups = await collect(read(20, sizes).pipeThrough(regroup({ size: 3, multiple: 2, ms: NEVER_MS })));
    return groups.map((g) => [g.items.length, g.cursor]);
  };
  deepEqual(await lengths(20), [[6, "5"], [6, "11"], [6, "17"], [2, "19"]]);
  deepEqual(await lengths(1, 7, 12), [[6, "5"], [6, "11"], [6, "17"], [2, "19"]]);
  deepEqual(await lengths(2, 3, 3, 12), [[3, "2"], [3, "5"], [6, "11"], [6, "17"], [2, "19"]]);
  deepEqual(await lengths(1), [2, 5, 8, 11, 14, 17].map((last) => [3, String(last)]).concat([[2, "19"]]));
});

Deno.test("regroup: cuts through mapEvents and filterEvents have their positions too", async () => {
  const groups = await collect(
    read(20, [20])
      .pipeThrough(filterEvents(({ n }) => n % 4 !== 0))
      .pipeThrough(mapEvents(({ n }) => `${n}`))
      .pipeThrough(regroup({ size: 4, ms: NEVER_MS })),
  );
  deepEqual(groups.map((g) => g.items.join()), ["1,2,3,5", "6,7,9,10", "11,13,14,15", "17,18,19"]);
  deepEqual(groups.map((g) => g.cursor), ["5", "10", "15", "19"]);
  deepEqual(groups.map((g) => g.filtered ?? 0), [5, 0, 0, 0]);
});

Deno.test("regroup: a batch whose source cannot name the position is passed whole", async () => {
  const groups = await collect(
    numbers({ count: 9, sizes: [2, 7], cuttable: false }).open().pipeThrough(regroup({ size: 4, ms: NEVER_MS })),
  );
  deepEqual(groups.map((g) => [g.items.length, g.cursor]), [[9, "8"]]);
});

Deno.test("regroup: never a cut between two items of one event", async () => {
  const groups = await collect(
    read(3, [3])
      .pipeThrough(mapEvents(({ n }) => [`${n}`, `${n}b`]))
      .pipeThrough(regroup({ size: 3, ms: NEVER_MS })),
  );
  deepEqual(groups.map((g) => [g.items.length, g.cursor]), [[6, "2"]]);
});

Deno.test("F14: regroup: what came as one stays together, and a group is too large by no more than that", async () => {
  const five = (item: unknown) => Math.floor((item as Num).n / 5);
  const joined = (item: unknown, next: unknown) => five(item) === five(next);
  const plan = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 12 }).map((n) => n * 5), { minLength: 1, maxLength: 5 }),
    size: fc.integer({ min: 1, max: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, fc.boolean(), async ({ sizes, size }, mapped) => {
      // As sources do it, a position is known only where a unit ends.
      const extra = (batch: Batch<Num>): Partial<Batch<Num>> => ({
        joined,
        cursorAfter: (item) => five(item) === five({ n: (item as Num).n + 1 }) ? undefined : batch.cursorAfter?.(item),
      });
      const source = numbers({ count: 300, sizes, extra }).open();
      const staged = mapped ? source.pipeThrough(mapEvents<Num, Num>((item) => ({ ...item }))) : source;
      const groups = await collect(staged.pipeThrough(regroup({ size, ms: NEVER_MS })));
      deepEqual(groups.flatMap(values), [...Array(300).keys()]);
      for (const group of groups) {
        equal(group.items.length < size + 5 && group.items.length % 5 === 0, true, `${group.items.length} of ${size}`);
        equal(group.cursor, String(values(group).at(-1)));
      }
    }),
    { seed: SEED },
  );
});

Deno.test("regroup: an incomplete group goes out after its time, at the end, and at once when urgent", async () => {
  const open = Promise.withResolvers<void>();
  const groups: Batch<Num>[] = [];
  const reading = numbers({ count: 3, sizes: [1], onPull: ({ cursor }) => cursor === undefined ? hold() : undefined })
    .open().pipeThrough(regroup({ size: 100, ms: 1 }))
    .pipeTo(new WritableStream({ write: (group) => void groups.push(group) }));
  let pulls = 0;
  function hold() {
    return ++pulls === 3 ? open.promise : undefined;
  }
  await until(() => groups.length > 0); // the source holds: only time can have sent it
  deepEqual(groups.map(values), [[0, 1]]);
  open.resolve();
  await reading;
  deepEqual(groups.map(values), [[0, 1], [2]]);

  const urgent = await collect(
    numbers({ count: 4, sizes: [1], extra: (b) => b.cursor === "2" ? { urgent: true } : {} }).open()
      .pipeThrough(regroup({ size: 100, ms: NEVER_MS })),
  );
  deepEqual(urgent.map(values), [[0, 1, 2], [3]]);
});

Deno.test("regroup: batches of different keys do not join", async () => {
  const keyed = (key: string, n: number): Batch<number> => ({ items: [n], cursor: String(n), key });
  const groups = await collect(
    streamOf(keyed("a", 1), keyed("a", 2), keyed("b", 3), keyed("a", 4)).pipeThrough(
      regroup({ size: 9, ms: NEVER_MS }),
    ),
  );
  deepEqual(groups.map((g) => [g.key, g.items.join(), g.cursor]), [["a", "1,2", "2"], ["b", "3", "3"], [
    "a",
    "4",
    "4",
  ]]);
});

Deno.test("regroup: a group of filtered events alone does not grow for ever", async () => {
  const empty = (n: number): Batch<number> => ({ items: [], cursor: String(n), filtered: 100 });
  const groups = await collect(
    streamOf(...Array.from({ length: 25 }, (_, n) => empty(n))).pipeThrough(regroup({ size: 10, ms: NEVER_MS })),
  );
  deepEqual(groups.map((g) => [g.cursor, g.filtered]), [["9", 1000], ["19", 1000], ["24", 500]]);
});

Deno.test("regroup: leaves no timer when its reader goes away or its source fails", async () => {
  const waiting = read(1, [1]).pipeThrough(regroup({ size: 9, ms: NEVER_MS })).getReader();
  await Promise.race([waiting.read().catch(() => {}), Promise.resolve()]);
  await waiting.cancel();

  let pulls = 0;
  const failing = numbers({
    count: 9,
    onPull: () => {
      if (++pulls > 1) throw new Error("Connection reset");
    },
  });
  await rejects(collect(failing.open().pipeThrough(regroup({ size: 99, ms: NEVER_MS }))), /reset/);
});

Deno.test("regroup: whatever is joined and cut, no event, count or position is lost, and no group with a choice is too large", async () => {
  const plan = fc.record({
    count: fc.nat(120),
    sizes: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
    size: fc.integer({ min: 1, max: 20 }),
  });
  const kindOf = (n: number) => n % 11 === 3 ? "poison" : n % 7 === 2 ? "filtered" : n % 13 === 5 ? "copy" : "event";
  await fc.assert(
    fc.asyncProperty(plan, async ({ count, sizes, size }) => {
      const groups = await collect(
        numbers({ count, sizes, kindOf }).open().pipeThrough(regroup({ size, ms: NEVER_MS })),
      );
      deepEqual(groups.flatMap(values), [...Array(count).keys()].filter((n) => kindOf(n) === "event"));
      equal(groups.reduce((sum, group) => sum + weigh(group), 0), count);
      let last = -1;
      for (const group of groups) {
        const cursor = Number(group.cursor);
        equal(group.items.length <= size, true, `${group.items.length} items`);
        equal(values(group).every((n) => n > last && n <= cursor), true, "items lie between the positions");
        last = cursor;
      }
      equal(last, count - 1);
    }),
    { seed: SEED },
  );
});

/** Timers that fire when the test says so. */
function fakeTimers() {
  const { setTimeout, clearTimeout } = globalThis;
  const due = new Map<number, { readonly at: number; readonly fire: () => void }>();
  let now = 0, last = 0;
  globalThis.setTimeout = ((fire: () => void, ms: number) => {
    due.set(++last, { at: now + ms, fire });
    return last;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((id: number) => void due.delete(id)) as unknown as typeof clearTimeout;
  return {
    now: () => now,
    advance(ms: number) {
      now += ms;
      for (const [id, { at, fire }] of due) if (at <= now && due.delete(id)) fire();
    },
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

Deno.test("E89: of 10,000 events that come one a second none waits longer than the batch's time", async () => {
  using clock = fakeTimers();
  const stage = regroup<number>({ size: 100, ms: 1000 });
  const waits: number[] = [];
  const reading = stage.readable.pipeTo(
    new WritableStream({ write: ({ items }) => void waits.push(...items.map((came) => clock.now() - came)) }),
  );
  const writer = stage.writable.getWriter();
  for (let i = 0; i < 10_000; i++) {
    await writer.write({ items: [clock.now()], cursor: String(i) });
    clock.advance(500);
    clock.advance(500);
  }
  await writer.close();
  await reading;
  deepEqual(waits.length, 10_000);
  deepEqual(waits.filter((ms) => ms > 1000), []);
});
