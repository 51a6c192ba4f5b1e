/**
 * A process that crashes: a sink, a dead letter and a store of positions that fail as a plan says, and a disk that survives and
 * on which every saved position is checked.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import fc from "fast-check";
import type { Cursor } from "../../lib/pipeline/batch.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { PoisonError, TransientError } from "../../lib/pipeline/errors.ts";
import { delay } from "../../lib/pipeline/retry.ts";
import type { CheckpointStore, Sink, SinkBatch, WriteResult } from "../../lib/pipeline/sink.ts";
import { memorySink, type Num, type NumKind, poisonAt, stuck, transientAt } from "./pipeline_ends.ts";

/** After that many lives, or actions, nothing fails and nothing is limited any more: every plan comes to its end. */
const CALM_AFTER = { lives: 40, actions: 300 };

/** What happens at one write of the sink, the dead letter or the store; each of them reads what it cannot do as `ok`. */
export type Action = "ok" | "slow" | "transient" | "partial" | "crash" | "half" | "crash-after" | "stop" | "kill";

/** What is run, and what happens to it. */
export interface Plan {
  readonly count: number;
  /** Numbers in a batch of the source. */
  readonly sizes: readonly number[];
  readonly batchSize: number;
  readonly maxInFlight: number;
  readonly concurrency: number;
  /** Who keeps the position. */
  readonly keeper: "sink" | "source" | "nobody";
  readonly cuttable: boolean;
  readonly filter: boolean;
  readonly fanOut: boolean;
  /** Whether the stage throws PoisonErrors. */
  readonly strict: boolean;
  /** Items of a group that a stage makes before the runner does; 0 = no such stage. */
  readonly regrouped: number;
  readonly limit: number;
  /** The pulls at which the source fails, counted over all lives. */
  readonly sourceFails: readonly number[];
  readonly steps: readonly Action[];
}

/** Any plan. */
export const plans: fc.Arbitrary<Plan> = fc.record({
  count: fc.nat(150),
  sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
  batchSize: fc.integer({ min: 1, max: 25 }),
  maxInFlight: fc.integer({ min: 1, max: 60 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  keeper: fc.constantFrom("sink", "source", "nobody"),
  cuttable: fc.boolean(),
  filter: fc.boolean(),
  fanOut: fc.boolean(),
  strict: fc.boolean(),
  regrouped: fc.constantFrom(0, 0, 6, 50),
  limit: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
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

/** What a number is at the source already. */
export const kindOf = (n: number): NumKind =>
  n % 11 === 3 ? "poison" : n % 19 === 7 ? "filtered" : n % 23 === 9 ? "copy" : "event";
const refused = (doc: string) => Number.parseInt(doc) % 17 === 4;

/** The documents of a number that comes to the stage. */
export function docsOf(n: number, { fanOut, strict }: Plan): string | string[] {
  if (strict && n % 13 === 5) throw new PoisonError("lexicon", "Cannot accept it");
  return fanOut && n % 7 === 0 ? [`${n}`, `${n}b`] : `${n}`;
}

/** What must be in the sink and in the dead letter when number `n` is safe. */
export function duesOf(n: number, plan: Plan): { stored: string[]; dead: string[] } {
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
export class Crash extends Error {}

/** What survives crashes. */
export interface Disk {
  /** How often each document was written. */
  readonly stored: Map<string, number>;
  readonly dead: Set<string>;
  saved: Cursor | undefined;
}

/** What the lives of one plan share. */
export interface World {
  readonly plan: Plan;
  readonly disk: Disk;
  lives: number;
  pulls: number;
  turn: number;
}

/** One life of a process, from its start to a crash or the end of the run. */
export interface Life {
  readonly world: World;
  readonly counters: Counters;
  readonly stop: AbortController;
  readonly kill: AbortController;
  readonly stored: Set<string>;
  letters: number;
  /** Items that the stages handed on. */
  handed: number;
  writing: number;
  /** Called before every write. */
  readonly onWrite: () => void;
  down: boolean;
}

/** Whether the plan has had its chaos. */
export function isCalm({ lives, turn }: World): boolean {
  return lives > CALM_AFTER.lives || turn > CALM_AFTER.actions;
}

function nextAction(world: World): Action {
  return isCalm(world) ? "ok" : world.plan.steps[world.turn++ % world.plan.steps.length]!;
}

function crash(life: Life): never {
  life.down = true;
  throw new Crash();
}

/** Throws when the process is gone. */
export function checkAlive(life: Life): void {
  if (life.down) throw new Crash();
}

/** A position becomes durable: it goes forward, and everything at or before it is safe. */
function move({ plan, disk }: World, cursor: Cursor): void {
  const from = disk.saved === undefined ? -1 : Number(disk.saved);
  ok(Number(cursor) >= from, `saved ${cursor} after ${disk.saved}`);
  for (let n = from + 1; n <= Number(cursor); n++) checkSafe(n, plan, disk, `saved ${cursor}`);
  disk.saved = cursor;
}

/** All that number `n` becomes is where it belongs. */
export function checkSafe(n: number, plan: Plan, disk: Disk, when: string): void {
  const { stored, dead } = duesOf(n, plan);
  for (const doc of stored) ok(disk.stored.has(doc), `${when}, but ${doc} is not in the sink`);
  for (const doc of dead) ok(disk.dead.has(doc), `${when}, but ${doc} is not in the dead letter`);
}

/** A sink that fails as the plan says; with `checkpoints` it is all or nothing, and keeps the position itself. */
export function chaosSink(life: Life, checkpoints: CheckpointStore | undefined): Sink<string> {
  const { world } = life;
  const store = (docs: readonly string[]) => {
    for (const doc of docs) {
      world.disk.stored.set(doc, (world.disk.stored.get(doc) ?? 0) + 1);
      life.stored.add(doc);
    }
  };
  async function write({ items, cursor }: SinkBatch<string>, signal: AbortSignal): Promise<WriteResult> {
    life.onWrite();
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

/** A dead letter that fails as the plan says. */
export async function bury(life: Life, letters: readonly Letter[]): Promise<void> {
  const action = nextAction(life.world);
  await Promise.resolve();
  checkAlive(life);
  if (action === "crash") crash(life);
  for (const { raw, item } of letters) {
    life.world.disk.dead.add(String(raw ?? (item as Num).n ?? item)); // dead at the source, in a stage, or at the sink
    life.letters++;
    if (action === "half") crash(life);
  }
  if (action === "crash-after") crash(life);
}

/** A store of positions that fails as the plan says. */
export function chaosStore(life: Life): CheckpointStore {
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
