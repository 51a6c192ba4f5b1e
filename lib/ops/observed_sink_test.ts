import assert from "node:assert/strict";
import type { AnyEvent } from "../atproto/event.ts";
import { PoisonError, TransientError } from "../pipeline/errors.ts";
import type { Sink, WriteResult } from "../pipeline/sink.ts";
import { SinkWatch } from "./observed_sink.ts";

/** A sink that answers, or throws, one after the other. */
function scripted(answers: readonly (WriteResult | Error)[]): Sink<AnyEvent> & { readonly checkpoints: object } {
  const left = [...answers];
  return {
    name: "scripted",
    checkpoints: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
    write() {
      const next = left.shift()!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as Sink<AnyEvent> & { readonly checkpoints: object };
}

const BATCH = { items: [], cursor: undefined, key: "k" };
const options = () => ({ signal: new AbortController().signal });

Deno.test("a watched sink is the same sink, and tells how its writes went", async () => {
  const times: number[] = [];
  const watch = new SinkWatch((seconds) => times.push(seconds));
  const rejected = (error: unknown) => ({ rejected: [{ index: 0, error }] });
  const sink = scripted([
    { rejected: [] },
    new TransientError("Cannot write: away"),
    rejected(new TransientError("Cannot write: busy")),
    rejected(new PoisonError("status_400", "Cannot write: bad")),
  ]);
  const watched = watch.watch(sink);
  assert.equal(watched.checkpoints, sink.checkpoints);
  await watched.write(BATCH, options());
  assert.deepEqual([watch.failing, watch.lastError], [false, undefined]);
  await assert.rejects(watched.write(BATCH, options()), /away/);
  assert.deepEqual([watch.failing, watch.lastError], [true, "Cannot write: away"]);
  await watched.write(BATCH, options());
  assert.deepEqual([watch.failing, watch.lastError], [true, "Cannot write: busy"]);
  await watched.write(BATCH, options());
  assert.deepEqual([watch.failing, watch.lastError], [false, "Cannot write: bad"]);
  assert.deepEqual(watch.writes, { ok: 1, refused: 2, failed: 1 });
  assert.deepEqual([times.length, watch.running], [4, 0]);
});

Deno.test("a write that is given up says nothing of the sink", async () => {
  const watch = new SinkWatch(() => {});
  const watched = watch.watch(scripted([new TransientError("Cannot write: stopped")]));
  await assert.rejects(watched.write(BATCH, { signal: AbortSignal.abort() }));
  assert.deepEqual([watch.failing, watch.writes.failed], [false, 0]);
});
