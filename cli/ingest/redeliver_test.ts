import assert from "node:assert/strict";
import fc from "fast-check";
import { type AnyEvent, eventId } from "../../lib/atproto/event.ts";
import { commitBody, messageFrame } from "../../lib/atproto/test_frames.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { FatalError, PoisonError, TransientError } from "../../lib/pipeline/errors.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { filterEvents } from "../../lib/pipeline/stages.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { listDeadLetter, openSnapshot } from "../../lib/state/dead_letter_reader.ts";
import { openRetries, type Retries } from "../../lib/state/dead_letter_retry.ts";
import { startNumber } from "../../tests/support/random.ts";
import { inFolder } from "../../tests/support/temp.ts";
import { redeliver, type Redelivery } from "./redeliver.ts";

const NEVER = { signal: new AbortController().signal };
const MAX_BYTES = 2 ** 30;
/** After so many lives nothing fails any more. */
const CALM = 25;

/** What becomes of entry `n` in today's program. */
type Fate = "written" | "refused" | "unreadable" | "filtered" | "no event";

type Action = "ok" | "transient" | "crash" | "crash after";

class Crash extends Error {}

const textOf = (n: number, fate: Fate): string => {
  if (fate === "unreadable") return `{"did":"did:plc:${n}"`;
  const kind = fate === "no event" ? "news" : "account";
  const active = fate !== "filtered";
  const status = fate === "refused" ? "refused" : "fine";
  return JSON.stringify({
    did: `did:plc:${n}`,
    time_us: 1e15 + n,
    kind,
    account: { active, did: `did:plc:${n}`, status },
  });
};

/** Every other entry is a message, the others are events that a sink refused. */
async function fill(path: string, fates: readonly Fate[]): Promise<void> {
  const dead = await openDeadLetter({ path, maxBytes: MAX_BYTES, command: "jetstream", key: "k" });
  const error = new PoisonError("not_yet", "Cannot read event: not yet");
  const letters = fates.map((fate, n) => {
    const raw = textOf(n, fate);
    if (n % 2 === 0) return { stage: "source", error, raw, detail: { host: "h", wire: "v1", position: null } };
    const origin = { source: "jetstream", wire: "v1", host: "h" } as const;
    return {
      stage: "sqlite",
      error,
      item: { kind: "account", did: `did:plc:${n}`, time_us: 1e15 + n, account: {}, origin, raw },
    };
  });
  await dead.append(letters, NEVER);
}

/** What outlives a crash besides the dead letter. */
interface Disk {
  readonly stored: AnyEvent[];
  readonly cursors: Map<string, string>;
}

/** One life of a process, whose end may come at any call. */
function createLife(steps: Iterator<Action>, disk: Disk, exact: boolean) {
  let down = false;
  async function act(work: () => void | Promise<void>): Promise<void> {
    await Promise.resolve();
    const action = steps.next().value ?? "ok";
    if (!down && action === "transient") throw new TransientError("Cannot connect: reset");
    if (action !== "crash" && !down) await work();
    if (down || action !== "ok") {
      down = true;
      throw new Crash();
    }
  }
  const sink: Sink<AnyEvent> = {
    name: "sqlite",
    async write({ items, cursor, key }) {
      const refused = (event: AnyEvent) => event.kind === "account" && event.account.status === "refused";
      const rejected = items.flatMap((item, index) =>
        refused(item) ? [{ index, error: new PoisonError("refused", "Cannot store the event: refused") }] : []
      );
      if (rejected.length > 0 && exact) return { rejected };
      await act(() => {
        disk.stored.push(...items.filter((item) => !refused(item)));
        if (exact && cursor !== undefined) disk.cursors.set(key, cursor);
      });
      return { rejected };
    },
    ...(exact && {
      checkpoints: {
        load: (key) => Promise.resolve(disk.cursors.get(key)),
        save: (key, cursor) => act(() => void disk.cursors.set(key, cursor)),
      },
    }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const failing = (retries: Retries): Retries => ({
    mark: (ids, o) => untransient(() => act(() => retries.mark(ids, o))),
    replace: (failed, o) => untransient(() => act(() => retries.replace(failed, o))),
  });
  return { sink, failing, isOver: () => down };
}

/** The dead letter waits for space by itself and never fails as transient. */
async function untransient(work: () => Promise<void>): Promise<void> {
  while (true) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }
}

type World = Omit<Redelivery, "snapshot" | "retries" | "sink" | "counters" | "signals">;

const world = (batchSize: number): World => ({
  selection: { stages: ["source", "sqlite"] },
  key: "dead-letter:k",
  source: { wanted: () => true, batchSize },
  through: (batches) => batches.pipeThrough(filterEvents((e: AnyEvent) => e.kind !== "account" || e.account.active)),
  delivery: { checkpointMs: 0, batchMs: 5, concurrency: 1, maxInFlight: 10, backoff: () => 0 },
});

async function live(path: string, options: World, sink: Sink<AnyEvent>, wrap = (r: Retries) => r) {
  using snapshot = await openSnapshot(path);
  const counters = createCounters();
  const retries = wrap(await openRetries({ path, maxBytes: MAX_BYTES }));
  await redeliver({
    ...options,
    snapshot,
    retries,
    sink,
    counters,
    signals: { stop: NEVER.signal, kill: NEVER.signal },
  });
  return counters;
}

const didsOf = (events: readonly AnyEvent[]) => events.map((event) => event.kind === "label" ? "" : event.did);

Deno.test("a crash at any moment loses nothing, keeps the order, and doubles nothing where the sink commits the position", async () => {
  const seed = startNumber("redeliver");
  const plan = fc.record({
    fates: fc.array(fc.constantFrom<Fate>("written", "written", "refused", "unreadable", "filtered", "no event"), {
      minLength: 1,
      maxLength: 30,
    }),
    batchSize: fc.integer({ min: 1, max: 9 }),
    exact: fc.boolean(),
    steps: fc.array(fc.constantFrom<Action>("ok", "ok", "ok", "transient", "crash", "crash after"), { maxLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, ({ fates, batchSize, exact, steps }) =>
      inFolder(async (folder) => {
        const path = `${folder}/k.ndjson`;
        await fill(path, fates);
        const disk: Disk = { stored: [], cursors: new Map() };
        const left = steps.values();
        for (let lives = 1;; lives++) {
          const { sink, failing, isOver } = createLife(lives > CALM ? [].values() : left, disk, exact);
          try {
            await live(path, world(batchSize), sink, failing);
            break;
          } catch (error) {
            // What saves positions may give up before anybody else meets the crash, and says so in words of its own.
            if (!(error instanceof Crash || (error instanceof FatalError && isOver()))) throw error;
          }
        }
        const of = (fate: Fate) => fates.flatMap((each, n) => each === fate ? [`did:plc:${n}`] : []);
        const stored = didsOf(disk.stored);
        const firsts = [...new Set(stored)];
        assert.deepEqual(firsts, of("written"));
        if (exact) assert.deepEqual(stored, firsts);
        const open = (await Array.fromAsync(listDeadLetter(path))).map(({ entry }) =>
          String(entry.text ?? entry.event)
        );
        const expected = fates.flatMap((fate, n) =>
          fate === "refused" || fate === "unreadable" || (fate === "no event" && n % 2 === 1) ? [textOf(n, fate)] : []
        );
        assert.deepEqual(open.sort(), expected.sort());
      })),
    { seed, numRuns: 150 },
  );
});

Deno.test("what lives of a frame is delivered whatever moment a crash comes at, and what is dead of it is a part", () =>
  inFolder(async (folder) => {
    const lost = { record: { text: "lost" }, lost: true };
    const frame = messageFrame("#commit", commitBody([{ record: { text: "a" } }, lost, { action: "delete" }]));
    for (const exact of [true, false]) {
      for (let ok = 0; ok < 6; ok++) {
        for (const crash of ["crash", "crash after"] as const) {
          const path = `${folder}/${exact}-${ok}-${crash}.ndjson`;
          const dead = await openDeadLetter({ path, maxBytes: MAX_BYTES, command: "firehose", key: "k" });
          const error = new PoisonError("field-time", "Cannot read message: not yet");
          await dead.append([{ stage: "source", error, raw: frame, detail: { host: "h", wire: "relay" } }], NEVER);
          const disk: Disk = { stored: [], cursors: new Map() };
          const { sink, failing } = createLife([...Array<Action>(ok).fill("ok"), crash].values(), disk, exact);
          await live(path, world(10), sink, failing).catch(() => {});
          await live(path, world(10), createLife([].values(), disk, exact).sink);
          const keys = disk.stored.map((event) => event.kind === "commit" ? event.commit.rkey : "");
          const open = (await Array.fromAsync(listDeadLetter(path))).map(({ entry }) => [entry.reason, entry.op]);
          assert.deepEqual([...new Set(keys)], ["0", "2"], path);
          if (exact) assert.equal(keys.length, 2, path);
          assert.deepEqual([...new Set(open.map(String))], ["op-block,1"], path);
        }
      }
    }
  }));

Deno.test("an event keeps what it was and where it came from; what failed again names the entry before", () =>
  inFolder(async (folder) => {
    const path = `${folder}/k.ndjson`;
    await fill(path, ["written", "written", "unreadable", "refused", "filtered"]);
    const before = (await Array.fromAsync(listDeadLetter(path))).map(({ entry }) => entry);
    const disk: Disk = { stored: [], cursors: new Map() };
    const { sink } = createLife([].values(), disk, true);
    const counters = await live(path, world(100), sink);
    const { received, written, filtered, rejected, deadLettered } = counters;
    assert.deepEqual({ received, written, filtered, rejected, deadLettered }, {
      received: 5,
      written: 2,
      filtered: 1,
      rejected: 1,
      deadLettered: 2,
    });
    for (const event of disk.stored) assert.deepEqual(event.origin, { source: "jetstream", wire: "v1", host: "h" });
    const open = (await Array.fromAsync(listDeadLetter(path))).map(({ entry }) => entry);
    const { id: _id, at: _at, reason: _reason, error: _error, ...content } = before[2]!;
    const { id, at, ...unreadable } = open[0]!;
    assert(id > before[4]!.id && at >= before[4]!.at);
    assert.deepEqual(unreadable, {
      ...content,
      reason: "not_json",
      error: "Cannot read event: it is not JSON",
      retry_of: before[2]!.id,
    });
    const { id: _, at: __, ...refused } = open[1]!;
    assert.deepEqual(refused, {
      command: "jetstream",
      key: "k",
      stage: "sqlite",
      reason: "refused",
      error: "Cannot store the event: refused",
      event_id: before[3]!.event_id,
      event: before[3]!.event,
      host: "h",
      wire: "v1",
      retry_of: before[3]!.id,
    });
    assert.equal(disk.cursors.get("dead-letter:k"), `{"v":1,"done":true}`);
    assert.equal(new Set(disk.stored.map(eventId)).size, 2);
  }));
