/**
 * The webhook sink with a clock that a test moves.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AnyEvent, CommitEvent, Origin } from "../../lib/atproto/event.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { type WebhookSink, webhookSink, type WebhookSinkOptions } from "../../lib/sinks/webhook.ts";
import { until } from "./program.ts";

const ORIGIN: Origin = Object.freeze({ source: "jetstream", wire: "v2", host: "h.example" });

/** A create of record `i` by account `account`. */
export function eventOf(i: number, account = `a${i}`, operation: "create" | "delete" = "create"): CommitEvent {
  return {
    kind: "commit",
    did: `did:plc:${account}`,
    time_us: 1_783_175_892_000_000 + i,
    origin: ORIGIN,
    commit: {
      rev: `3k${i}`,
      operation,
      collection: "app.bsky.feed.post",
      rkey: `r${i}`,
      record: { text: `post ${i}` },
    },
  };
}

/** Several, each of an account of its own. */
export const eventsFrom = (first: number, count: number): CommitEvent[] =>
  Array.from({ length: count }, (_, i) => eventOf(first + i));

/** A sink that is open. */
export interface WebhookRun extends AsyncDisposable {
  readonly sink: WebhookSink;
  readonly letters: readonly Letter[];
  /** What is added to the system's clock, in milliseconds. */
  ahead: number;
  write(events: readonly AnyEvent[]): Promise<void>;
  /** Waits until the queue is empty. */
  empty(): Promise<void>;
}

/** Opens a sink on `folder`/queue.db; waits between attempts are short unless told otherwise. */
export async function openWebhook(
  folder: string,
  url: string,
  options: Partial<WebhookSinkOptions> = {},
): Promise<WebhookRun> {
  const letters: Letter[] = [];
  const run = { ahead: 0 };
  const sink = await webhookSink({
    file: `${folder}/queue.db`,
    url,
    allowPrivate: true,
    retrySchedule: [10],
    deadLetter: (dead) => Promise.resolve(void letters.push(...dead)),
    now: () => Date.now() + run.ahead,
    ...options,
  });
  const never = new AbortController().signal;
  let writes = 0;
  return Object.assign(run, {
    sink,
    letters,
    async write(items: readonly AnyEvent[]) {
      const { rejected } = await sink.write({ items, key: "test", cursor: String(++writes) }, { signal: never });
      assert.deepEqual(rejected, []);
    },
    async empty() {
      await until(() => sink.figures().waiting === 0 || sink.failure.aborted, "the queue to be empty");
      sink.failure.throwIfAborted();
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  });
}
