/**
 * Random crashes against the runner: 300 plans a run, each with as many lives as it takes to bring all numbers to the sink.
 * `BSKYINGEST_SEED=n` repeats a run; the name of the step says which one it was.
 *
 * @module
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  bury,
  chaosSink,
  chaosStore,
  checkAlive,
  checkSafe,
  Crash,
  type Disk,
  docsOf,
  duesOf,
  isCalm,
  kindOf,
  type Life,
  type Plan,
  plans,
  type World,
} from "../../tests/support/chaos.ts";
import { type Num, numbers, SEED } from "../../tests/support/pipeline_ends.ts";
import type { Batch } from "./batch.ts";
import { type Counters, createCounters } from "./counters.ts";
import { FatalError, TransientError } from "./errors.ts";
import { type PipelineResult, runPipeline } from "./pipeline.ts";
import { filterEvents, mapEvents, regroup } from "./stages.ts";

const PLANS = 300;

/** What is on its way, in events; never less than nothing. */
function unsettled({ received, written, filtered, duplicates, deadLettered }: Counters): number {
  const count = received - written - filtered - duplicates - deadLettered;
  ok(count >= 0, `${count} unsettled`);
  return count;
}

function checkBounds({ world: { plan }, counters, handed }: Life): void {
  unsettled(counters);
  const fromSource = Math.max(...plan.sizes) * (plan.fanOut ? 2 : 1);
  const batch = fromSource + Math.max(0, plan.regrouped - 1);
  const group = batch + plan.batchSize - 1;
  // Besides what is tracked: a group that waits for room, one in the queue; one batch in and before each of the stages.
  const between = handed - counters.written - counters.rejected;
  ok(between < plan.maxInFlight + 3 * group + 5 * batch, `${between} items between source and sink`);
}

/** The stages of a plan. */
function stagesOf(life: Life) {
  const { plan } = life.world;
  return (batches: ReadableStream<Batch<Num>>): ReadableStream<Batch<string>> => {
    const kept = plan.filter ? batches.pipeThrough(filterEvents(({ n }) => n % 5 !== 0)) : batches;
    const docs = kept.pipeThrough(mapEvents(({ n }) => {
      const made = docsOf(n, plan);
      life.handed += [made].flat().length;
      return made;
    }));
    return plan.regrouped ? docs.pipeThrough(regroup({ size: plan.regrouped, ms: 1 })) : docs;
  };
}

/** Whether every cut has a position: then `limit` ends exactly there, and not even its end doubles anything. */
function isExact({ cuttable, fanOut, strict, regrouped }: Plan): boolean {
  return cuttable && !fanOut && !strict && regrouped === 0;
}

/** Runs until the end or the next failure; answers how it ended, `undefined` for a failure. */
async function live(world: World): Promise<PipelineResult["endedBy"] | undefined> {
  const { plan, disk } = world;
  const life: Life = {
    world,
    counters: createCounters(),
    stop: new AbortController(),
    kill: new AbortController(),
    stored: new Set(),
    letters: 0,
    handed: 0,
    writing: 0,
    onWrite: () => checkBounds(life),
    down: false,
  };
  world.lives++;
  const limit = isCalm(world) ? 0 : plan.limit;
  const store = chaosStore(life);
  const onPull = () => {
    checkAlive(life);
    if (plan.sourceFails.includes(world.pulls++)) throw new Crash();
  };
  let ending: PipelineResult["endedBy"] | undefined;
  try {
    ({ endedBy: ending } = await runPipeline<Num, string>({
      source: { ...numbers({ ...plan, kindOf, onPull }), ...(plan.keeper === "source" && { checkpoints: store }) },
      through: stagesOf(life),
      sink: chaosSink(life, plan.keeper === "sink" ? store : undefined),
      ...(plan.keeper === "nobody" && { checkpoints: store }),
      deadLetter: (letters) => bury(life, letters),
      checkpointMs: 0,
      batchSize: plan.batchSize,
      batchMs: 1,
      concurrency: plan.concurrency,
      maxInFlight: plan.maxInFlight,
      backoff: () => 0,
      limit,
      counters: life.counters,
      stop: life.stop.signal,
      kill: life.kill.signal,
    }));
  } catch (error) {
    // A FatalError: the store failed five times in a row, which ends a run as it should.
    const expected = error instanceof Crash || error instanceof TransientError || error instanceof FatalError;
    if (!expected) throw error;
  }
  deepEqual([life.writing, life.counters.inFlight], [0, 0], "a write outlived the run");
  checkBounds(life);
  if (ending !== undefined) checkEnd(life, ending, limit, disk);
  return ending;
}

/** After a run that did not fail, everything that was taken is settled, and counted as what it became. */
function checkEnd({ counters, stored, letters, world }: Life, ending: string, limit: number, disk: Disk): void {
  equal(unsettled(counters), 0);
  deepEqual([counters.written, counters.deadLettered], [stored.size, letters]);
  if (ending !== "limit") return;
  equal(counters.written, limit);
  if (!isExact(world.plan)) return;
  const beyond = [...stored].filter((doc) => disk.saved === undefined || Number.parseInt(doc) > Number(disk.saved));
  deepEqual(beyond, [], `written beyond the position ${disk.saved}`);
}

Deno.test("whatever crashes when: nothing is lost, positions are true, counters add up, memory is bounded", async (t) => {
  await t.step(`${PLANS} plans, BSKYINGEST_SEED=${SEED}`, async () => {
    const endings = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const disk: Disk = { stored: new Map(), dead: new Set(), saved: undefined };
        const world: World = { plan, disk, lives: 0, pulls: 0, turn: 0 };
        let ending: PipelineResult["endedBy"] | undefined;
        while (ending !== "source") {
          ending = await live(world);
          endings.set(`${ending}`, (endings.get(`${ending}`) ?? 0) + 1);
        }
        for (let n = 0; n < plan.count; n++) {
          checkSafe(n, plan, disk, "all is read");
          if (plan.keeper !== "sink" || (plan.limit > 0 && !isExact(plan))) continue;
          for (const doc of duesOf(n, plan).stored) equal(disk.stored.get(doc), 1, `${doc} is doubled`);
        }
        for (const doc of disk.stored.keys()) ok(!disk.dead.has(doc), `${doc} is in the sink and in the dead letter`);
        equal(disk.saved, plan.count === 0 ? undefined : String(plan.count - 1));
      }),
      { numRuns: PLANS, seed: SEED },
    );
    // The rarest one, "stop", comes 54 times, give or take 11.
    for (const ending of ["source", "limit", "stop", "undefined"]) {
      ok(
        endings.get(ending)! > PLANS / 30,
        `only ${endings.get(ending)} runs ended by ${ending}: the plans are too tame`,
      );
    }
  });
});
