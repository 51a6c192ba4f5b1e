import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { captureLog } from "../../tests/support/log_records.ts";
import {
  gapOf,
  memorySink,
  memoryStore,
  type Num,
  runOf,
  turns,
  upTo,
  values,
} from "../../tests/support/pipeline_ends.ts";
import type { Batch, Gap } from "./batch.ts";
import { GapError } from "./errors.ts";
import { runPipeline } from "./pipeline.ts";

/** A gap before the third batch. */
const withGap = (state: Gap["state"]) => ({
  extra: ({ cursor }: Batch<Num>) => cursor === "11" ? { gaps: [gapOf(state)] } : {},
});

Deno.test("gaps: recorded before the position passes, warned of and counted", async () => {
  await using logged = await captureLog();
  const order: string[] = [];
  const { counters } = await runPipeline(runOf({
    checkpoints: memoryStore(({ cursor }) => void order.push(`saved ${Number(cursor) >= 8 ? "behind" : "before"}`)),
    checkpointMs: 0,
    recordGaps: async (key, gaps) => {
      await turns();
      order.push(`${key} ${gaps[0]!.reason}`);
    },
    numbers: withGap("open"),
  }));
  equal(counters.gaps, 1);
  deepEqual(order.filter((each) => each !== "saved before"), ["numbers clamped", "saved behind"]);
  deepEqual(logged.lines.filter((line) => line.includes("Gap")), [
    "warning: Gap: clamped at h.example, from 1970-01-01T00:00:01.000Z to ?",
  ]);
});

Deno.test("gaps: accepted ones are recorded, but neither counted nor fatal", async () => {
  await using logged = await captureLog();
  const recorded: Gap[] = [];
  const { counters } = await runPipeline(runOf({
    onGap: "fail",
    recordGaps: (_, gaps) => Promise.resolve(void recorded.push(...gaps)),
    numbers: withGap("accepted"),
  }));
  deepEqual([counters.gaps, recorded.map((g) => g.state)], [0, ["accepted"]]);
  deepEqual(logged.lines.filter((line) => line.includes("Gap")), []);
});

Deno.test("gaps: with onGap fail the run ends before the position passes", async () => {
  const store = memoryStore();
  const sink = memorySink<Num>();
  await rejects(runPipeline(runOf({ sink, checkpoints: store, onGap: "fail", numbers: withGap("open") })), (error) => {
    ok(error instanceof GapError);
    ok(error.message.startsWith("Cannot go on with --on-gap fail: clamped at h.example"));
    return true;
  });
  deepEqual([values(sink.items), store.positions.get("numbers")], [upTo(8), "7"]);
});

Deno.test("gaps: with onGap fail they are recorded all the same, without anything that comes after them", async () => {
  const recorded: Gap[] = [];
  const recordGaps = (_: string, gaps: readonly Gap[]) => Promise.resolve(void recorded.push(...gaps));
  await rejects(runPipeline(runOf({ onGap: "fail", recordGaps, numbers: withGap("open") })), GapError);
  deepEqual(recorded, [gapOf("open")]);
  const keeper = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  await rejects(runPipeline(runOf({ sink: keeper, onGap: "fail", numbers: withGap("open") })), GapError);
  const last = keeper.writes.at(-1)!;
  deepEqual([last.items, last.cursor, last.gaps], [[], undefined, [gapOf("open")]]);
  deepEqual(values(keeper.items), upTo(8));
});

Deno.test("gaps: one that is healed already does not end the run", async () => {
  const { counters } = await runPipeline(runOf({ onGap: "fail", numbers: withGap("healed") }));
  equal(counters.gaps, 1);
});

Deno.test("gaps: a sink that keeps the position gets them with it, and nobody else", async () => {
  const sink = memorySink<Num>(undefined, { checkpoints: memoryStore() });
  const recordGaps = () => Promise.reject(new Error("Not to be called"));
  const { counters } = await runPipeline(runOf({ sink, recordGaps, numbers: withGap("open") }));
  deepEqual(sink.writes.map((w) => w.gaps?.length ?? 0), [0, 0, 1, 0, 0]);
  equal(counters.gaps, 1);
});
