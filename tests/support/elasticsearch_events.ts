/**
 * Events for the tests of the sink elasticsearch.
 *
 * @module
 */
import type { AccountEvent, CommitEvent, Origin } from "../../lib/atproto/event.ts";
import {
  type ElasticsearchSink,
  elasticsearchSink,
  type ElasticsearchSinkOptions,
} from "../../lib/sinks/elasticsearch.ts";
import type { SinkBatch, WriteResult } from "../../lib/pipeline/sink.ts";
import type { AnyEvent } from "../../lib/atproto/event.ts";

const ORIGIN: Origin = Object.freeze({ source: "jetstream", wire: "v2", host: "h.example" });
/** Two accounts. */
export const A = "did:plc:aaaa2222bbbb3333cccc4444", B = "did:plc:bbbb2222cccc3333dddd4444";
/** When everything happens: in microseconds. */
export const START_US = 1_783_175_892_000_000;

/** What differs between events. */
export interface EventOptions {
  readonly did?: string;
  readonly rkey?: string;
  readonly operation?: "create" | "update" | "delete";
  /** Microseconds after {@link START_US}. There is no rev, so that this alone orders the states of a record. */
  readonly at?: number;
  readonly record?: Record<string, unknown>;
}

function commit(collection: string, record: Record<string, unknown>, options: EventOptions): CommitEvent {
  const { did = A, rkey = "3m4fxx2ps6222", operation = "create", at = 0 } = options;
  return {
    kind: "commit",
    did,
    time_us: START_US + at,
    origin: ORIGIN,
    commit: {
      operation,
      collection,
      rkey,
      ...(operation !== "delete" && { record: { $type: collection, ...record, ...options.record } }),
    },
  };
}

/** A like of a post of {@link B}. */
export function like(options: EventOptions = {}): CommitEvent {
  const subject = { uri: `at://${B}/app.bsky.feed.post/3m4fxx2flkc2p`, cid: "bafyreib" };
  return commit("app.bsky.feed.like", { subject, createdAt: "2025-10-30T12:34:56.789Z" }, options);
}

/** A post. */
export function post(options: EventOptions = {}): CommitEvent {
  return commit("app.bsky.feed.post", { text: "text", createdAt: "2025-10-30T12:34:56.789Z" }, options);
}

/** `count` likes with different keys. */
export function likes(count: number, from = 0): CommitEvent[] {
  return Array.from({ length: count }, (_, i) => like({ rkey: `r${from + i}`, at: from + i }));
}

/** An account that is not active any more. */
export function account(status: string, options: Pick<EventOptions, "did" | "at"> = {}): AccountEvent {
  const { did = A, at = 0 } = options;
  return { kind: "account", did, time_us: START_US + at, origin: ORIGIN, account: { active: false, did, status } };
}

/** Where the record of an event is. */
export function uriOf({ did, commit: { collection, rkey } }: CommitEvent): string {
  return `at://${did}/${collection}/${rkey}`;
}

/** The sink on a server whose indices nobody looks at, and that is asked again at once where the real one would wait. */
export function openSink(url: string, options: Partial<ElasticsearchSinkOptions> = {}): Promise<ElasticsearchSink> {
  return elasticsearchSink({
    connection: { nodes: [url] },
    setup: "off",
    documents: { deletes: "apply", purgeAccounts: [] },
    ...options,
  });
}

/** A batch of these events. */
export function batchOf(...items: readonly AnyEvent[]): SinkBatch<AnyEvent> {
  return { items, cursor: "1", key: "test" };
}

/** Writes events as one batch. */
export function write(sink: ElasticsearchSink, ...items: readonly AnyEvent[]): Promise<WriteResult> {
  return sink.write(batchOf(...items), { signal: new AbortController().signal });
}
