import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { SEED, turns } from "../../tests/support/pipeline_ends.ts";
import { type Entry, Ledger } from "./ledger.ts";

const never = new AbortController().signal;

/** A ledger, and what it reported. */
function open(limit = 100): { ledger: Ledger; reports: [string, string, boolean][] } {
  const reports: [string, string, boolean][] = [];
  return { ledger: new Ledger(limit, (...report) => reports.push(report)), reports };
}

/** Whether a promise is still pending after everything that could resolve it has run. */
async function pends(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => done = true);
  await turns(3);
  return !done;
}

Deno.test("a position is reported when its batch and all before it are settled", () => {
  const { ledger, reports } = open();
  const [a, b, c] = ["1", "2", "3"].map((cursor) => ledger.track({ key: "k", cursor }, 1));
  ledger.settle(c!);
  ledger.settle(b!);
  deepEqual(reports, []);
  equal(ledger.weight, 3);
  ledger.settle(a!);
  deepEqual(reports, [["k", "3", false]]);
  equal(ledger.weight, 0);
});

Deno.test("a batch without a position is covered by the next one that has one", () => {
  const { ledger, reports } = open();
  const [a, b, c] = [undefined, "2", undefined].map((cursor) => ledger.track({ key: "k", cursor }, 1));
  ledger.settle(a!);
  deepEqual(reports, []);
  ledger.settle(b!);
  ledger.settle(c!);
  deepEqual(reports, [["k", "2", false]]);
});

Deno.test("keys have their own positions, and wait for each other", () => {
  const { ledger, reports } = open();
  const a = ledger.track({ key: "a", cursor: "1" }, 1);
  const b = ledger.track({ key: "b", cursor: "1", end: true }, 1);
  const c = ledger.track({ key: "a", cursor: "2" }, 1);
  ledger.settle(b);
  ledger.settle(c);
  deepEqual(reports, []);
  ledger.settle(a);
  deepEqual(reports.toSorted(), [["a", "2", false], ["b", "1", true]]);
});

Deno.test("settled in any order, only the longest settled prefix is reported, and only forward", () => {
  const plan = fc.array(
    fc.record({ weight: fc.nat(9), known: fc.boolean(), order: fc.double({ noNaN: true }) }),
    { maxLength: 600, size: "max" },
  );
  fc.assert(
    fc.property(plan, (batches) => {
      const { ledger, reports } = open();
      const cursorOf = (i: number) => batches[i]!.known ? String(i) : undefined;
      const entries: Entry[] = batches.map(({ weight }, i) => ledger.track({ key: "k", cursor: cursorOf(i) }, weight));
      const settled = new Set<number>();
      let expected: string | undefined;
      for (const i of [...batches.keys()].sort((x, y) => batches[x]!.order - batches[y]!.order)) {
        ledger.settle(entries[i]!);
        settled.add(i);
        let prefix = 0;
        while (settled.has(prefix)) prefix++;
        for (let j = 0; j < prefix; j++) expected = cursorOf(j) ?? expected;
        equal(reports.at(-1)?.[1], expected);
        equal(ledger.weight, batches.slice(prefix).reduce((sum, batch) => sum + batch.weight, 0));
      }
      const said = reports.map((report) => Number(report[1]));
      deepEqual(said, said.toSorted((x, y) => x - y));
    }),
    { numRuns: 50, seed: SEED },
  );
});

Deno.test("room: waits at the limit until the settled prefix grows", async () => {
  const { ledger } = open(10);
  const a = ledger.track({ key: "k", cursor: "1" }, 4);
  const b = ledger.track({ key: "k", cursor: "2" }, 5);
  await ledger.room(never); // 9 are pending: one more batch of any size fits
  const c = ledger.track({ key: "k", cursor: "3" }, 50);
  const waiting = ledger.room(never);
  ledger.settle(c);
  ok(await pends(waiting), "what is settled behind an open batch still takes its room");
  ledger.settle(a);
  ok(await pends(waiting), "55 are pending");
  ledger.settle(b);
  await waiting;
});

Deno.test("room: an abort ends the waiting", async () => {
  const { ledger } = open(1);
  ledger.track({ key: "k", cursor: "1" }, 1);
  const controller = new AbortController();
  const waiting = ledger.room(controller.signal);
  ok(await pends(waiting));
  controller.abort();
  await waiting;
  await ledger.room(controller.signal);
});

Deno.test("outcomes are added up along the settled prefix, before its position is reported", () => {
  const passed = { events: 0, deadLettered: 0, filtered: 0 };
  const reports: unknown[] = [];
  const ledger = new Ledger(100, (_, cursor) => reports.push([cursor, { ...passed }]), passed);
  const [a, b, c] = ["1", "2", "3"].map((cursor) => ledger.track({ key: "k", cursor }, 1)) as [Entry, Entry, Entry];
  ledger.settle(c, { events: 5, deadLettered: 1, filtered: 2 });
  ledger.settle(a, { events: 1, deadLettered: 0, filtered: 0 });
  ledger.settle(b, { events: 1, deadLettered: 1, filtered: 0 });
  deepEqual(reports, [
    ["1", { events: 1, deadLettered: 0, filtered: 0 }],
    ["3", { events: 7, deadLettered: 2, filtered: 2 }],
  ]);
});
