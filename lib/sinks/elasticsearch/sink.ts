/**
 * Batches of events into the indices of a server.
 *
 * @module
 */
import { type AnyEvent, atUri } from "../../atproto/event.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import type { Rejection, Sink, SinkBatch, WriteResult } from "../../pipeline/sink.ts";
import type { PostCounters } from "../../transforms/elasticsearch/writes.ts";
import { bulkSender } from "./bulk.ts";
import type { Connection } from "./connection.ts";
import { countDenials } from "./denials.ts";
import { holdBack } from "./hold_back.ts";
import { limitInFlight } from "./in_flight.ts";
import { overtaking } from "./overtaking.ts";
import { type Plan, planBatch, type PlanOptions } from "./plan.ts";
import { planWriter } from "./plan_writer.ts";
import { requester } from "./requests.ts";
import type { Start } from "./start.ts";

/** What {@link makeSink} puts together. */
export interface SinkParts extends PlanOptions {
  /** Closed with the sink. */
  readonly connection: Connection;
  /** Prepares the targets: at the start, and when an index has disappeared. */
  readonly prepare: () => Promise<Start>;
  /** Whether `prepare` makes what is missing. */
  readonly makesIndices: boolean;
  /** Whether new posts are compared with tombstones. */
  readonly checkTombstones: boolean;
  /** The size of a bulk at most, in bytes. */
  readonly bulkBytes: number;
  /** Bulks in flight at most. */
  readonly concurrency: number;
  /** See `ElasticsearchSinkOptions.pauseMs`. */
  readonly pauseMs: number;
  /** See `ElasticsearchSinkOptions.denialMs`. */
  readonly denialMs: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** What `toWrites` counts. */
  readonly counters: PostCounters;
}

/** What the sink counts besides what the pipeline does. */
export interface ElasticsearchFigures {
  /** Writes that something newer was there for already. */
  readonly superseded: number;
  /** Vectors that could not be used, by model, then by reason (`base85`, `zlib`, `length`, `dims`, `not_finite`, `zero`, `type`). */
  readonly vectors_dropped: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Strings of posts that were cut at 32 KiB. */
  readonly truncated_fields: number;
  /** Times of posts that are not as their authors wrote them. */
  readonly created_at: { readonly repaired: number; readonly fallback: number };
}

/** The sink, and what a user wants to read of it. */
export interface ElasticsearchSink extends Sink<AnyEvent> {
  /** For the start line: `elasticsearch http://localhost:9200`. */
  readonly describe: string;
  /** Live figures. */
  figures(): ElasticsearchFigures;
}

/** @throws {ConfigError} Where the server cannot be used. One that is down is waited for by the writes. */
export async function makeSink(parts: SinkParts): Promise<ElasticsearchSink> {
  const { connection, pauseMs } = parts;
  let superseded = 0;
  const onSuperseded = (count: number) => superseded += count;
  let start: Start | undefined = await parts.prepare();
  const requests = requester({ connection, pauseMs, denials: countDenials(parts.denialMs) });
  const send = bulkSender({
    requests,
    inFlight: limitInFlight(parts.concurrency),
    maxBytes: parts.bulkBytes,
    onSuperseded,
    onMissing: (index) => {
      if (!parts.makesIndices) throw missing(index);
      start = undefined;
    },
  });
  const past = overtaking();
  const writer = planWriter({ ...parts, requests, send, onSuperseded, overtaking: past });
  const turns = holdBack();
  const planOptions: PlanOptions = { ...parts, toWrites: (event) => past.built(event) ?? parts.toWrites(event) };

  async function write({ items }: SinkBatch<AnyEvent>, signal: AbortSignal): Promise<WriteResult> {
    const plan = planBatch(items, planOptions);
    for (const { purge } of plan.purges) past.purging(purge);
    const end = (item: number, error?: unknown) => {
      // What cannot become a document must be found dead again.
      if (error instanceof TransientError && !plan.dead.has(item)) past.failed(items[item]!, plan.writes[item]!);
      else past.settled(items[item]!);
    };
    return await turns.run(plan, signal, async (turn) => {
      try {
        start ??= await parts.prepare();
        const targets = await start.ready(signal);
        const result = resultOf(plan, await writer.write(plan, { items, targets, turn, signal }));
        if (result.rejected.length === 0 && past.isIdle) return result;
        const errors = new Map(result.rejected.map(({ index, error }) => [index, error]));
        items.forEach((_, item) => end(item, errors.get(item)));
        return result;
      } catch (error) {
        items.forEach((_, item) => end(item, error));
        throw error;
      }
    });
  }

  return {
    name: "elasticsearch",
    describe: `elasticsearch ${connection.place}`,
    figures: () => ({ superseded, ...postFigures(parts.counters) }),
    keyOf,
    async write(batch, { signal }) {
      signal.throwIfAborted();
      return batch.items.length === 0 ? { rejected: [] } : await write(batch, signal);
    },
    async [Symbol.asyncDispose]() {
      await turns.idle();
      await connection[Symbol.asyncDispose]();
    },
  };
}

/** What the sink tells of posts, as it is at this moment. */
export function postFigures(
  { vectorsDropped, truncatedFields, createdAt }: PostCounters,
): Omit<ElasticsearchFigures, "superseded"> {
  const dropped = vectorsDropped.entries().map(([model, reasons]) => [model, Object.fromEntries(reasons)]);
  return {
    vectors_dropped: Object.fromEntries(dropped),
    truncated_fields: truncatedFields,
    created_at: { ...createdAt },
  };
}

function missing(index: string): ConfigError {
  return new ConfigError(`Cannot write to ${index}: there is no such index`, {
    hint: "bskyingest elasticsearch setup makes it, or --setup auto at the next start",
  });
}

function keyOf(event: AnyEvent): string {
  switch (event.kind) {
    case "commit":
      return atUri(event);
    case "label":
      return `label ${event.label.src} ${event.label.uri} ${event.label.val}`;
    default:
      return `${event.kind} ${event.did}`;
  }
}

/** What the pipeline wants to know: whatever was left out because of a write that failed is to be tried again. */
function resultOf({ folded, lines, writes }: Plan, refused: Map<number, unknown>): WriteResult {
  const lost = new Map<number, number>();
  for (const { item, place } of folded) {
    const { item: winner, write } = lines[place]!;
    lost.set(item, (lost.get(item) ?? 0) + 1);
    if (!refused.has(winner) || refused.has(item)) continue;
    refused.set(item, new TransientError(`Cannot leave out ${write.uri}: what came after it was refused`));
  }
  let duplicates = 0;
  for (const [item, count] of lost) if (count === writes[item]!.length && !refused.has(item)) duplicates++;
  const rejected = [...refused].map(([index, error]): Rejection => ({ index, error }));
  return { rejected: rejected.sort((a, b) => a.index - b.index), duplicates };
}
