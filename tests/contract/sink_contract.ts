/**
 * What every sink must do, whatever it writes to.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type AnyEvent, type AtEvent, dedupeKey, toJson } from "../../lib/atproto/event.ts";
import type { Gap } from "../../lib/pipeline/batch.ts";
import type { CheckpointStore, Recall, Sink, SinkBatch } from "../../lib/pipeline/sink.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { EVERY_KIND, HOSTILE_EVENTS, posts } from "./events.ts";

/** One place to write to, empty at first. */
export interface SinkFixture {
  /** Opens the sink on the place; again and again. */
  open(): Promise<Sink<AnyEvent>>;
  /** What a reader of the place finds now. Absent: the sink forgets. */
  read?(): Promise<string[]>;
  /** What a reader must find once these events, in their order, are all that was written. Default: their texts in that order. */
  expected?(events: readonly AnyEvent[]): readonly string[];
}

/** What the contract must know of a sink. */
export interface SinkSpec {
  readonly name: string;
  /** Tells apart the tests of a sink that runs in several settings. */
  readonly variant?: string;
  /** Whether it must have `checkpoints`. */
  readonly keepsPosition: boolean;
  /** What has to be installed for its tests. */
  readonly needs?: readonly ServiceName[];
  /** A place, in an empty folder of its own. */
  fixture(folder: string): SinkFixture;
}

/** A write that takes longer hangs, in milliseconds. */
const PATIENCE_MS = 10_000;
const KEY = "contract";
const never = { signal: new AbortController().signal };

/** Registers the contract's tests for one sink. */
export function sinkContract(spec: SinkSpec): void {
  const test = (behaviour: string, fn: (fixture: SinkFixture) => Promise<void>) =>
    serviceTest(`${spec.name}${spec.variant ?? ""} sink: ${behaviour}`, spec.needs ?? [], async () => {
      const folder = await Deno.makeTempDir();
      try {
        await fn(spec.fixture(folder));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  writingContract(spec, test);
  endingContract(test);
  if (spec.keepsPosition) positionContract(test);
  test("remembers what it holds, if it offers to", async (fixture) => {
    await using sink = await fixture.open();
    if (sink.recall) await checkRecall(sink, sink.recall.bind(sink) as Recall<AtEvent>);
  });
}

type Test = (behaviour: string, fn: (fixture: SinkFixture) => Promise<void>) => void;

function writingContract(spec: SinkSpec, test: Test): void {
  test("has its name, and keeps the position if it is said to", async (fixture) => {
    await using sink = await fixture.open();
    assert.equal(sink.name, spec.name);
    assert.equal(sink.checkpoints !== undefined, spec.keepsPosition);
  });

  test("takes an empty batch", async (fixture) => {
    await using sink = await fixture.open();
    await write(sink, []);
    await expectTexts(fixture, []);
  });

  test("has a batch safe when write resolves, all batches in order", async (fixture) => {
    await using sink = await fixture.open();
    const events = posts(30);
    for (let i = 0; i < events.length; i += 10) {
      await write(sink, events.slice(i, i + 10));
      await expectTexts(fixture, events.slice(0, i + 10));
    }
  });

  test("takes 5,000 events at once", async (fixture) => {
    await using sink = await fixture.open();
    await write(sink, posts(5000));
    await expectTexts(fixture, posts(5000));
  });

  test("takes events of every kind", async (fixture) => {
    await using sink = await fixture.open();
    await write(sink, EVERY_KIND);
    await expectTexts(fixture, EVERY_KIND);
  });

  test("gives hostile strings back as they were", async (fixture) => {
    await using sink = await fixture.open();
    await write(sink, HOSTILE_EVENTS);
    await expectTexts(fixture, HOSTILE_EVENTS);
  });

  test("takes a batch with gaps, and the last one", async (fixture) => {
    await using sink = await fixture.open();
    const gap: Gap = {
      source: "jetstream",
      host: "h.example",
      unit: "us",
      from: 1,
      to: undefined,
      reason: "clamped",
      state: "open",
    };
    await write(sink, posts(1), { gaps: [gap], end: true });
    await expectTexts(fixture, posts(1));
  });
}

function endingContract(test: Test): void {
  test("can be disposed of twice", async (fixture) => {
    const sink = await fixture.open();
    await write(sink, posts(1));
    await sink[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await expectTexts(fixture, posts(1));
  });

  test("goes on after what is there when opened again", async (fixture) => {
    for (const from of [0, 3]) {
      await using sink = await fixture.open();
      await write(sink, posts(3, from));
    }
    await expectTexts(fixture, posts(6));
  });

  test("does not hang on a signal that has aborted: all of the batch or none", async (fixture) => {
    await using sink = await fixture.open();
    const signal = AbortSignal.abort(new DOMException("Stopped", "AbortError"));
    const outcome = await inTime(sink.write(batchOf(posts(3)), { signal }).then(() => "written", () => "rejected"));
    await expectTexts(fixture, outcome === "written" ? posts(3) : []);
  });
}

function positionContract(test: Test): void {
  const load = (sink: Sink<AnyEvent>, key = KEY) => (sink.checkpoints as CheckpointStore).load(key);

  test("has no position for a key that it does not know", async (fixture) => {
    await using sink = await fixture.open();
    assert.equal(await load(sink), undefined);
  });

  test("saves positions by key, which a new instance sees", async (fixture) => {
    {
      await using sink = await fixture.open();
      await sink.checkpoints!.save(KEY, "a");
      await sink.checkpoints!.save("other\0'\"", `{"x":"é"}`);
      await sink.checkpoints!.save(KEY, "b", true);
      assert.equal(await load(sink), "b");
    }
    await using again = await fixture.open();
    assert.equal(await load(again), "b");
    assert.equal(await load(again, "other\0'\""), `{"x":"é"}`);
  });

  test("tells that a run ended at a position, until the next one is saved", async (fixture) => {
    const cursor = '{"v":1,"time_us":1783175888390226}';
    await using sink = await fixture.open();
    const ended = () => sink.checkpoints!.ended!(KEY);
    assert.equal(await ended(), false, "there is no position");
    for (const end of [true, false, true]) {
      await sink.checkpoints!.save(KEY, cursor, end);
      assert.deepEqual([await load(sink), await ended()], [cursor, end]);
    }
    await write(sink, posts(1), { cursor });
    assert.deepEqual([await load(sink), await ended()], [cursor, false]);
  });

  test("commits the position together with the events", async (fixture) => {
    {
      await using sink = await fixture.open();
      await write(sink, posts(2), { cursor: "2" });
      assert.equal(await load(sink), "2");
      await write(sink, posts(1, 2));
      assert.equal(await load(sink), "2", "a batch without a position moves none");
      await write(sink, [], { cursor: "9" });
      await write(sink, posts(1, 3), { cursor: "1", key: "other" });
    }
    await using again = await fixture.open();
    assert.deepEqual([await load(again), await load(again, "other")], ["9", "1"]);
    await expectTexts(fixture, posts(4));
  });
}

async function checkRecall(sink: Sink<AnyEvent>, recall: Recall<AtEvent>): Promise<void> {
  const events = posts(100);
  assert.deepEqual((await recall(0, 10)).items, [], "nothing is held yet");
  await write(sink, events);
  const newer = (since: number) => events.filter((event) => event.time_us > since).map(dedupeKey);
  const middle = events[50]!.time_us;
  for (const [since, limit] of [[middle, 1000], [0, 1000], [0, 10], [middle, 10]] as const) {
    const answer = await recall(since, limit);
    const held = answer.items.map(dedupeKey);
    assert.deepEqual(newer(answer.since).filter((key) => !held.includes(key)), [], "complete after what it says");
    assert.ok(held.length <= 2 * limit, `about ${limit} at most, not ${held.length}`);
  }
  assert.ok((await recall(middle, 1000)).since <= middle, "complete as far back as it was asked");
  assert.deepEqual((await recall(events.at(-1)!.time_us + 1, 10)).items, []);
}

const batchOf = (items: readonly AnyEvent[], rest: Partial<SinkBatch<AnyEvent>> = {}): SinkBatch<AnyEvent> => ({
  items,
  cursor: undefined,
  key: KEY,
  ...rest,
});

async function write(
  sink: Sink<AnyEvent>,
  items: readonly AnyEvent[],
  rest?: Partial<SinkBatch<AnyEvent>>,
): Promise<void> {
  assert.deepEqual((await inTime(sink.write(batchOf(items, rest), never))).rejected, []);
}

/** Line breaks between tokens of text as received may have become spaces. */
async function expectTexts({ read, expected }: SinkFixture, events: readonly AnyEvent[]): Promise<void> {
  const flat = (text: string) => text.replaceAll(/[\r\n]/g, " ");
  if (read) assert.deepEqual((await read()).map(flat), (expected?.(events) ?? events.map(toJson)).map(flat));
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Nothing happened for ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
