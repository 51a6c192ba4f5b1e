import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import {
  type Answer,
  memorySink,
  memoryStore,
  poisonAt,
  SEED,
  transientAt,
} from "../../tests/support/pipeline_ends.ts";
import { captureLog } from "../../tests/support/log_records.ts";
import type { Batch } from "./batch.ts";
import { deliver, type DeliverOptions, type Letter } from "./deliver.ts";
import { PoisonError, TransientError } from "./errors.ts";
import type { Sink } from "./sink.ts";

/** Brings a batch of letters to a sink that answers as told, and says what came of it. */
async function run(
  items: string,
  answer: Answer<string>,
  options: { batch?: Partial<Batch<string>>; sink?: Partial<Sink<string>>; deliver?: Partial<DeliverOptions<string>> } =
    {},
) {
  const sink = memorySink(answer, options.sink);
  const letters: Letter[] = [];
  let retries = 0;
  const { rejected, ...outcome } = await deliver({ items: [...items], cursor: "9", key: "k", ...options.batch }, {
    sink,
    deadLetter: (some) => Promise.resolve(void letters.push(...some)),
    backoff: () => 0,
    signal: new AbortController().signal,
    onRetry: () => retries++,
    ...options.deliver,
  });
  return {
    sink,
    letters,
    retries,
    outcome: { ...outcome, rejected: rejected.length },
    writes: sink.writes.map((w) => w.items.join("")),
  };
}

const atomic = { checkpoints: memoryStore() };
/** Items of one letter, whatever its case, are of one key. */
const keyed = { keyOf: (item: string) => item.toLowerCase() };
const once = (result: ReturnType<typeof transientAt>): Answer<string> => (_, nth) =>
  nth === 0 ? { rejected: result } : undefined;

Deno.test("deliver: one write with cursor, key, gaps and end, and nothing that is not the sink's", async () => {
  const gaps = [{ source: "s", host: "h", unit: "seq", from: 1, to: 2, reason: "clamped", state: "open" }] as const;
  const { sink, outcome, retries } = await run("ab", () => {}, {
    batch: { gaps, end: true, filtered: 5, urgent: true },
  });
  deepEqual(sink.writes, [{ items: ["a", "b"], cursor: "9", key: "k", gaps, end: true }]);
  deepEqual([outcome, retries], [{ written: 2, rejected: 0, duplicates: 0 }, 0]);
});

Deno.test("deliver: a transient failure repeats the whole batch, as long as back-off says", async () => {
  const attempts: number[] = [];
  const down: Answer<string> = (_, nth) => {
    if (nth < 3) throw new TransientError("Cannot connect: reset");
  };
  const backoff = (attempt: number) => attempts.push(attempt) && 0;
  const { outcome, retries, writes } = await run("ab", down, { deliver: { backoff } });
  deepEqual(writes, ["ab", "ab", "ab", "ab"]);
  deepEqual([attempts, retries, outcome.written], [[0, 1, 2], 3, 2]);
  const short = (attempt: number) => attempt < 2 ? 0 : undefined;
  await rejects(run("ab", down, { deliver: { backoff: short } }), TransientError);
});

Deno.test("deliver: any other failure is not tried again", async () => {
  let writes = 0;
  const bug = () => {
    writes++;
    throw new TypeError("Something nobody thought of");
  };
  await rejects(run("ab", bug), TypeError);
  equal(writes, 1);
  await rejects(run("ab", once([{ index: 0, error: new TypeError("Nor of this") }])), TypeError);
});

Deno.test("deliver: an abort ends the wait for the next attempt", async () => {
  const controller = new AbortController();
  const down = () => {
    throw new TransientError("Cannot connect: reset");
  };
  const backoff = () => {
    queueMicrotask(() => controller.abort(new Error("Killed")));
    return 600_000;
  };
  await rejects(run("a", down, { deliver: { backoff, signal: controller.signal } }), /Killed/);
});

Deno.test("deliver: a write that was given up is not tried again, whatever the reason", async () => {
  const controller = new AbortController();
  const stuck = () => {
    controller.abort(new TransientError("Cannot finish in time"));
    throw controller.signal.reason;
  };
  const backoff = () => {
    throw new Error("Cannot happen: asked when to try again");
  };
  await rejects(run("a", stuck, { deliver: { backoff, signal: controller.signal } }), /Cannot finish in time/);
});

Deno.test("deliver: what is refused for good goes to the dead letter under the sink's name, the rest is written", async () => {
  const { letters, outcome, writes, retries } = await run("abcd", once(poisonAt(1, 3)));
  deepEqual(letters.map(({ item, stage, error }) => [item, stage, error.reason]), [
    ["b", "memory", "status_400"],
    ["d", "memory", "status_400"],
  ]);
  deepEqual([writes, retries], [["abcd"], 0]);
  deepEqual(outcome, { written: 2, rejected: 2, duplicates: 0 });
});

Deno.test("deliver: what a sink knows of a refused item besides the reason is in its letter", async () => {
  const detail = { doc_id: "b", status: 400 };
  const error = new PoisonError("status_400", "Cannot take it", { detail });
  const { letters } = await run("ab", once([{ index: 1, error }]));
  deepEqual(letters, [{ item: "b", error, stage: "memory", detail }]);
});

Deno.test("deliver: one warning a minute about a sink, however many batches it keeps waiting", async () => {
  await using log = await captureLog();
  const sink = memorySink<string>((_, nth) => {
    if (nth < 6) throw new TransientError("Cannot connect: reset");
  });
  const waiting = { sink, deadLetter: () => Promise.resolve(), backoff: () => 0, onRetry: () => {} };
  const signal = new AbortController().signal;
  const batches = ["a", "b", "c"].map((item) => ({ items: [item], cursor: item, key: "k" }));
  await Promise.all(batches.map((batch) => deliver(batch, { ...waiting, signal })));
  deepEqual(log.lines, ["warning: Cannot write to memory, trying again: Cannot connect: reset"]);
});

Deno.test("deliver: a sink that is all or nothing gets the rest and the cursor again", async () => {
  const { sink, letters, outcome, writes, retries } = await run("abcd", once(poisonAt(1, 3)), { sink: atomic });
  deepEqual([writes, sink.items.join("")], [["abcd", "ac"], "ac"]);
  deepEqual([sink.writes[1]!.cursor, retries, letters.length], ["9", 1, 2]);
  deepEqual(outcome, { written: 2, rejected: 2, duplicates: 0 });
});

Deno.test("deliver: with everything refused, a sink that keeps the position still gets it", async () => {
  const all = await run("ab", once(poisonAt(0, 1)), { sink: atomic });
  deepEqual(all.sink.writes.map((w) => [w.items.join(""), w.cursor]), [["ab", "9"], ["", "9"]]);
  deepEqual(all.outcome, { written: 0, rejected: 2, duplicates: 0 });
  deepEqual((await run("ab", once(poisonAt(0, 1)))).writes, ["ab"]);
});

Deno.test("deliver: an empty batch is written only where it tells the sink something", async () => {
  const gaps = [{ source: "s", host: "h", unit: "seq", from: 1, to: 2, reason: "clamped", state: "open" }] as const;
  const writes = async (sink: Partial<Sink<string>>, batch: Partial<Batch<string>>) =>
    (await run("", () => {}, { sink, batch })).writes.length;
  equal(await writes({}, { gaps }), 0);
  equal(await writes(atomic, {}), 1);
  equal(await writes(atomic, { cursor: undefined }), 0);
  equal(await writes(atomic, { cursor: undefined, gaps }), 1);
});

Deno.test("deliver: a partial retry takes along every later item of the same key, and nothing else", async () => {
  const { sink, writes, outcome } = await run("aBbcAbC", once(transientAt(1)), { sink: keyed });
  deepEqual(writes, ["aBbcAbC", "Bbb"]);
  deepEqual(sink.items.join(""), "abcAbCBbb"); // the last words about b are in their order
  deepEqual(outcome, { written: 7, rejected: 0, duplicates: 0 });
});

Deno.test("deliver: without keys only what was refused is written again", async () => {
  deepEqual((await run("abca", once(transientAt(0, 2)))).writes, ["abca", "ac"]);
});

Deno.test("deliver: dead and transient in one answer", async () => {
  const { letters, writes, outcome } = await run("aAbB", once([...poisonAt(0), ...transientAt(2)]), { sink: keyed });
  deepEqual(letters.map((letter) => letter.item), ["a"]);
  deepEqual(writes, ["aAbB", "bB"]);
  deepEqual(outcome, { written: 3, rejected: 1, duplicates: 0 });
});

Deno.test("deliver: an item that was taken along can still be refused", async () => {
  const second: Answer<string> = (_, nth) =>
    nth === 0 ? { rejected: transientAt(0) } : nth === 1 ? { rejected: poisonAt(1) } : undefined;
  const { letters, outcome } = await run("aAb", second, { sink: keyed });
  deepEqual(letters.map((letter) => letter.item), ["A"]);
  deepEqual(outcome, { written: 2, rejected: 1, duplicates: 0 });
});

Deno.test("deliver: duplicates that the sink reports are not counted as written", async () => {
  deepEqual((await run("abc", () => ({ rejected: [], duplicates: 2 }))).outcome, {
    written: 1,
    rejected: 0,
    duplicates: 2,
  });
});

Deno.test("deliver: duplicates count once, however often the batch is written", async () => {
  const answers: Answer<string> = (_, nth) => ({ rejected: nth === 0 ? poisonAt(0) : [], duplicates: 1 });
  deepEqual((await run("abc", answers, { sink: atomic })).outcome, { written: 1, rejected: 1, duplicates: 1 });
  // The sink knows what was taken along, for it has just written it: a itself is new.
  const partial: Answer<string> = (_, nth) =>
    nth === 0 ? { rejected: transientAt(0), duplicates: 1 } : { rejected: [], duplicates: 2 };
  deepEqual((await run("aAAb", partial, { sink: keyed })).outcome, { written: 3, rejected: 0, duplicates: 1 });
});

Deno.test("deliver: what was dead before goes to the dead letter before anything is written", async () => {
  const order: string[] = [];
  const poison = [
    { raw: "{", error: new PoisonError("not_json", "Cannot read it"), detail: { host: "h" } },
    { item: "z", error: new PoisonError("lexicon", "Cannot accept it") },
  ];
  await run("a", () => void order.push("write"), {
    batch: { poison },
    deliver: {
      deadLetter: (letters) => {
        order.push(...letters.map((l) => `${l.stage} ${l.raw ?? l.item} ${l.detail?.["host"] ?? ""}`));
        return Promise.resolve();
      },
    },
  });
  deepEqual(order, ["source { h", "filter z ", "write"]);
});

Deno.test("deliver: a dead letter that cannot be written ends it before the batch is", async () => {
  const sink = memorySink<string>();
  const poison = [{ raw: "{", error: new PoisonError("not_json", "Cannot read it") }];
  const full = () => Promise.reject(new Error("Disk full"));
  await rejects(
    deliver({ items: ["a"], cursor: "1", key: "k", poison }, {
      sink,
      deadLetter: full,
      backoff: () => 0,
      signal: new AbortController().signal,
      onRetry: () => {},
    }),
    /Disk full/,
  );
  equal(sink.writes.length, 0);
  await rejects(run("ab", once(poisonAt(0)), { deliver: { deadLetter: full } }), /Disk full/);
});

Deno.test("deliver: whatever is refused how often, each item ends in the sink or the dead letter, keys in order", async () => {
  const fate = fc.record({ key: fc.constantFrom("a", "b", "c"), transient: fc.nat(3), poison: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { minLength: 1, maxLength: 20 }), fc.boolean(), async (fates, allOrNothing) => {
      type Item = (typeof fates)[number] & { id: number };
      const items: Item[] = fates.map((each, id) => ({ ...each, id }));
      const left = new Map(items.map((item) => [item.id, item.transient]));
      const sink = memorySink<Item>((batch) => ({
        rejected: batch.items.flatMap((item, index) => {
          const times = left.get(item.id)!;
          left.set(item.id, times - 1);
          return times > 0 ? transientAt(index) : item.poison ? poisonAt(index) : [];
        }),
      }), { keyOf: (item) => item.key, ...(allOrNothing && atomic) });
      const dead: unknown[] = [];
      const outcome = await deliver({ items, cursor: "1", key: "k" }, {
        sink,
        deadLetter: (letters) => Promise.resolve(void dead.push(...letters.map((l) => (l.item as Item).id))),
        backoff: () => 0,
        signal: new AbortController().signal,
        onRetry: () => {},
      });
      deepEqual(dead.toSorted(), items.filter((i) => i.poison).map((i) => i.id).toSorted());
      const refused = outcome.rejected.map(({ id }) => id);
      deepEqual([refused, outcome.written, outcome.duplicates], [dead, items.length - dead.length, 0]);
      for (const key of ["a", "b", "c"]) {
        const wanted = items.filter((i) => i.key === key && !i.poison).map((i) => i.id);
        const stored = sink.items.filter((i) => i.key === key).map((i) => i.id);
        const last = stored.filter((id, i) => stored.lastIndexOf(id) === i);
        deepEqual(last, wanted, `the last writes of ${key} are in order`);
        if (allOrNothing) equal(sink.items.length, items.length - dead.length, "nothing is doubled");
      }
    }),
    { seed: SEED },
  );
});
