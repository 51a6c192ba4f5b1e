/**
 * Random crashes against the runner: 300 plans a run, each with as many lives as it takes to bring all numbers to the sink.
 * `BSKYINGEST_SEED=n` repeats a run; the name of the step says which one it was.
 *
 * @module
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { memorySink, type Num, numbers, poisonAt, SEED, stuck, transientAt } from "../../tests/support/chaos.ts";
import type { Batch, Cursor } from "./batch.ts";
import { type Counters, createCounters } from "./counters.ts";
import type { Letter } from "./deliver.ts";
import { PoisonError, TransientError } from "./errors.ts";
import { type PipelineResult, runPipeline } from "./pipeline.ts";
import { delay } from "./retry.ts";
import type { CheckpointStore, Sink, SinkBatch } from "./sink.ts";
import { filterEvents, mapEvents, regroup } from "./stages.ts";

const PLANS = 300;
/** After that many lives, or actions, nothing fails and nothing is limited any more: every plan comes to its end. */
const CALM_AFTER = { lives: 40, actions: 300 };

/** What happens at one write of the sink, the dead letter or the store; each of them reads what it cannot do as `ok`. */
type Action = "ok" | "slow" | "transient" | "partial" | "crash" | "half" | "crash-after" | "stop" | "kill";

const planOf = fc.record({
  count: fc.nat(150),
  /** Numbers in a batch of the source. */
  sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
  batchSize: fc.integer({ min: 1, max: 25 }),
  maxInFlight: fc.integer({ min: 1, max: 60 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  /** Who keeps the position. */
  keeper: fc.constantFrom("sink", "source", "nobody"),
  cuttable: fc.boolean(),
  filter: fc.boolean(),
  fanOut: fc.boolean(),
  /** Whether the stage throws PoisonErrors. */
  strict: fc.boolean(),
  /** Items of a group that a stage makes before the runner does; 0 = no such stage. */
  regrouped: fc.constantFrom(0, 0, 6, 50),
  limit: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
  /** The pulls at which the source fails, in all lives. */
  sourceFails: fc.array(fc.nat(60), { maxLength: 3 }),
  steps: fc.array(
    fc.constantFrom<Action>(
      "ok",
      "ok",
      "ok",
      "slow",
      "transient",
      "partial",
      "crash",
      "half",
      "crash-after",
      "stop",
      "kill",
    ),
    { minLength: 1, maxLength: 40 },
  ),
});
type Plan = typeof planOf extends fc.Arbitrary<infer T> ? T : never;

const kindOf = (n: number) => n % 11 === 3 ? "poison" : n % 19 === 7 ? "filtered" : n % 23 === 9 ? "copy" : "event";
const refused = (doc: string) => Number.parseInt(doc) % 17 === 4;

/** The documents of a number that comes to the stage. */
function docsOf(n: number, { fanOut, strict }: Plan): string | string[] {
  if (strict && n % 13 === 5) throw new PoisonError("lexicon", "Cannot accept it");
  return fanOut && n % 7 === 0 ? [`${n}`, `${n}b`] : `${n}`;
}

/** What must be in the sink and in the dead letter when number `n` is safe. */
function duesOf(n: number, plan: Plan): { stored: string[]; dead: string[] } {
  const kind = kindOf(n);
  if (kind === "poison") return { stored: [], dead: [`${n}`] };
  if (kind !== "event" || (plan.filter && n % 5 === 0)) return { stored: [], dead: [] };
  try {
    const docs = [docsOf(n, plan)].flat();
    return { stored: docs.filter((doc) => !refused(doc)), dead: docs.filter(refused) };
  } catch {
    return { stored: [], dead: [`${n}`] };
  }
}

/** The process is gone: whatever it does from now on has no effect. */
class Crash extends Error {}

/** What survives crashes. */
interface Disk {
  /** How often each document was written. */
  readonly stored: Map<string, number>;
  readonly dead: Set<string>;
  saved: Cursor | undefined;
}

/** What the lives of one plan share. */
interface World {
  readonly plan: Plan;
  readonly disk: Disk;
  lives: number;
  pulls: number;
  turn: number;
}

/** One life of a process, from its start to a crash or the end of the run. */
interface Life {
  readonly world: World;
  readonly counters: Counters;
  readonly stop: AbortController;
  readonly kill: AbortController;
  readonly stored: Set<string>;
  letters: number;
  /** Items that the stages handed on. */
  handed: number;
  writing: number;
  down: boolean;
}

function isCalm({ lives, turn }: World): boolean {
  return lives > CALM_AFTER.lives || turn > CALM_AFTER.actions;
}

function nextAction(world: World): Action {
  return isCalm(world) ? "ok" : world.plan.steps[world.turn++ % world.plan.steps.length]!;
}

function crash(life: Life): never {
  life.down = true;
  throw new Crash();
}

function checkAlive(life: Life): void {
  if (life.down) throw new Crash();
}

/** A position becomes durable: it goes forward, and everything at or before it is safe. */
function move({ plan, disk }: World, cursor: Cursor): void {
  const from = disk.saved === undefined ? -1 : Number(disk.saved);
  ok(Number(cursor) >= from, `saved ${cursor} after ${disk.saved}`);
  for (let n = from + 1; n <= Number(cursor); n++) checkSafe(n, plan, disk, `saved ${cursor}`);
  disk.saved = cursor;
}

function checkSafe(n: number, plan: Plan, disk: Disk, when: string): void {
  const { stored, dead } = duesOf(n, plan);
  for (const doc of stored) ok(disk.stored.has(doc), `${when}, but ${doc} is not in the sink`);
  for (const doc of dead) ok(disk.dead.has(doc), `${when}, but ${doc} is not in the dead letter`);
}

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

function chaosSink(life: Life, checkpoints: CheckpointStore | undefined): Sink<string> {
  const { world } = life;
  const store = (docs: readonly string[]) => {
    for (const doc of docs) {
      world.disk.stored.set(doc, (world.disk.stored.get(doc) ?? 0) + 1);
      life.stored.add(doc);
    }
  };
  async function write({ items, cursor }: SinkBatch<string>, signal: AbortSignal) {
    checkBounds(life);
    const action = nextAction(world);
    await (action === "slow" ? delay(1) : Promise.resolve());
    checkAlive(life);
    if (action === "transient") throw new TransientError("Cannot connect: reset");
    if (action === "crash") crash(life);
    if (action === "stop") life.stop.abort();
    if (action === "kill") {
      life.kill.abort(new Crash());
      return await stuck(signal);
    }
    if (action === "half" && !checkpoints) {
      store(items.slice(0, items.length / 2).filter((doc) => !refused(doc)));
      crash(life);
    }
    const late = action === "partial" ? items.keys().filter((i) => i % 3 === 1 && !refused(items[i]!)) : [];
    const rejected = [...poisonAt(...items.keys().filter((i) => refused(items[i]!))), ...transientAt(...late)];
    if (checkpoints && rejected.length > 0) return { rejected };
    store(items.filter((_, i) => !rejected.some((r) => r.index === i)));
    if (checkpoints && cursor !== undefined) move(world, cursor);
    if (action === "crash-after") crash(life);
    return { rejected };
  }
  return {
    ...memorySink<string>(),
    keyOf: (doc) => String(Number.parseInt(doc) % 3),
    ...(checkpoints && { checkpoints }),
    async write(batch, { signal }) {
      life.writing++;
      try {
        return await write(batch, signal);
      } finally {
        life.writing--;
      }
    },
  };
}

async function bury(life: Life, letters: readonly Letter[]): Promise<void> {
  const action = nextAction(life.world);
  await Promise.resolve();
  checkAlive(life);
  if (action === "crash") crash(life);
  for (const { raw, item } of letters) {
    life.world.disk.dead.add(String(raw ?? (item as Num).n ?? item));
    life.letters++;
    if (action === "half") crash(life);
  }
  if (action === "crash-after") crash(life);
}

function chaosStore(life: Life): CheckpointStore {
  const { world } = life;
  return {
    load: () => Promise.resolve(world.disk.saved),
    async save(_key, cursor) {
      const action = nextAction(world);
      await Promise.resolve();
      checkAlive(life);
      if (action === "transient") throw new TransientError("Cannot save: disk full");
      if (action === "crash") crash(life);
      move(world, cursor);
      if (action === "crash-after") crash(life);
    },
  };
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
    if (!(error instanceof Crash) && !(error instanceof TransientError)) throw error;
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
      fc.asyncProperty(planOf, async (plan) => {
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
    for (const ending of ["source", "limit", "stop", "undefined"]) {
      ok(
        endings.get(ending)! > PLANS / 10,
        `only ${endings.get(ending)} runs ended by ${ending}: the plans are too tame`,
      );
    }
  });
});
