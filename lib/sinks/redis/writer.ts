/**
 * Writes batches, each by one script.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../../atproto/event.ts";
import { replyCode } from "../../net/redis/errors.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import { TransientError } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import type { SinkBatch, WriteResult } from "../../pipeline/sink.ts";
import { partitionOf, streamEntries, type StreamEntry, type StreamFormat } from "../../transforms/stream_events.ts";
import { isStatusDropped } from "../../transforms/stream_events/rsky.ts";
import { isDone, markDone, unmarkDone } from "./done.ts";
import { refusalsOf } from "./entry_size.ts";
import { heldError } from "./owner.ts";
import { type PlacesOptions, type Writer, writerPlaces } from "./places.ts";
import { mostMissed, mostUnread } from "./pressure.ts";
import { WRITE } from "./scripts.ts";

const log = getLogger(["bskyingest", "redis"]);

/** One line a minute is enough about a stream that is full. */
const SAY_EVERY_MS = 60_000;

/** What the sink counts besides what the pipeline does. */
export interface RedisFigures {
  /** Entries written. */
  readonly entries: number;
  /** Why nothing is written at the moment: the stream is full, or the server's memory. */
  readonly backpressure: "length" | "lag" | "oom" | null;
  /** Entries in the stream, those of all partitions, after the last write or when it was found full. */
  readonly length: number;
  /** Entries that were trimmed although a group had not read them, as it was looked at last. */
  readonly trimmed_unread: number;
  /** Statuses of accounts that format `rsky` has no word for. */
  readonly dropped_statuses: number;
}

/** What a {@link batchWriter} needs. */
export interface BatchWriterOptions extends PlacesOptions {
  /** 0 = none. */
  readonly mark: number;
  readonly format?: StreamFormat;
  readonly host?: boolean;
  readonly backpressure?: "length" | "lag";
  readonly backpressureMs?: number;
  readonly maxLength?: number | undefined;
  readonly leastAgeMs?: number | undefined;
  readonly maxEntryBytes?: number;
  readonly waitReplicas?: number;
  readonly now?: () => number;
}

/** Makes what writes batches. */
export function batchWriter(options: BatchWriterOptions) {
  const { link, owned, stream, mark, backpressure = "length", backpressureMs = 5000, waitReplicas = 0 } = options;
  const { maxLength = 0, leastAgeMs = 0, format, now = Date.now } = options;
  const entriesOf = streamEntries({ ...(format && { format }), host: options.host ?? false, now });
  const places = writerPlaces(options);
  const figures: { -readonly [K in keyof RedisFigures]: RedisFigures[K] } = {
    entries: 0,
    backpressure: null,
    length: 0,
    trimmed_unread: 0,
    dropped_statuses: 0,
  };
  let saidAt = -Infinity;
  let lookedAt = -Infinity;

  async function write(batch: SinkBatch<AnyEvent>, signal: AbortSignal): Promise<WriteResult> {
    const { key, items, cursor, gaps } = batch;
    if (gaps?.length) await options.recordGaps?.(key, gaps);
    if (items.length === 0 && cursor === undefined) return { rejected: [] };
    const names = await options.keys();
    let writer = await places.of(batch, signal);
    const entries = entriesOf(items, { emptyFrame: emptyFrameOf(batch, places.confirmed.get(key)) });
    const rejected = refusalsOf(entries, options.maxEntryBytes);
    if (rejected.length > 0) return { rejected };
    const cursorKey = await places.cursorKey(key);
    const body = entries.flatMap((entry) => [numberOf(entry, names.streams.length), entry.field, entry.value]);
    for (;;) {
      const limit = await limitNow(names.streams, entries.length, signal);
      if (limit === undefined) continue;
      const head = [String(writer.done + 1), cursor ?? "", String(limit), String(maxLength), String(leastAgeMs)];
      const keys = [cursorKey, writer.name, ...names.streams];
      const [state, detail] = await send(writer, items, keys, [writer.token, ...head, ...body], signal);
      if (state === "FULL") await pause("length", Number(detail), signal);
      else if (state === "REWOUND") writer = await places.recover(key, true, signal);
      else if (state === "FENCED" && detail && !owned.asked(writer.name, detail)) throw heldError(writer.name, detail);
      else if (state === "FENCED") writer = await places.recover(key, false, signal);
      else {
        await settle(writer, batch, entries.length, Number(detail ?? figures.length), signal);
        if (maxLength > 0 || leastAgeMs > 0) await lookForMissed(names.streams, signal);
        return { rejected: [] };
      }
    }
  }

  /** Runs the script; until there is an answer, nobody knows whether it did. */
  async function send(writer: Writer, items: object, keys: string[], args: string[], signal: AbortSignal) {
    writer.pending = items;
    try {
      const reply: [state: string, detail?: string] = await link.script(WRITE, keys, args, { signal });
      if (reply[0] === "FULL") writer.pending = undefined;
      return reply;
    } catch (error) {
      if (replyCode(error) !== undefined) writer.pending = undefined;
      if (replyCode(error) === "OOM") figures.backpressure = "oom";
      throw error;
    }
  }

  async function settle(
    writer: Writer,
    { items, cursor, key }: SinkBatch<AnyEvent>,
    entries: number,
    length: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (waitReplicas > 0) await awaitReplicas(writer, signal);
    writer.done++;
    writer.pending = undefined;
    if (cursor !== undefined) places.confirmed.set(key, cursor);
    figures.entries += entries;
    figures.length = length;
    figures.backpressure = null;
    if (format === "rsky") figures.dropped_statuses += items.filter(isStatusDropped).length;
  }

  /** The batch is written, so what fails here is no failure of it. */
  async function lookForMissed(streams: readonly string[], signal: AbortSignal): Promise<void> {
    if (Date.now() - lookedAt < SAY_EVERY_MS) return;
    lookedAt = Date.now();
    const missed = await mostMissed(link, streams, signal).catch(() => 0);
    if (missed > 0) log.warn("A group has missed {missed} entries of {stream}: they were trimmed", { missed, stream });
    figures.trimmed_unread = Math.max(0, missed);
  }

  /** The write stays pending, so that its repetition is recognised. */
  async function awaitReplicas({ name }: Writer, signal: AbortSignal): Promise<void> {
    const args = ["WAIT", String(waitReplicas), "1000"];
    const confirmed = await link.send(name, args, { signal, blockMs: 1000 });
    if (confirmed >= waitReplicas) return;
    throw new TransientError(`Cannot have ${waitReplicas} replicas confirm a write: ${confirmed} did within 1 s`);
  }

  /** The mark for the script; undefined after a pause, because consumers are too far behind. */
  async function limitNow(
    streams: readonly string[],
    entries: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (backpressure === "length" || mark === 0 || entries === 0) return mark;
    const unread = await mostUnread(link, streams, signal);
    if (unread === undefined) return mark;
    if (unread < mark) return 0;
    await pause("lag", unread, signal);
    return undefined;
  }

  async function pause(why: "length" | "lag", measured: number, signal: AbortSignal): Promise<void> {
    figures.backpressure = why;
    if (why === "length") figures.length = measured;
    if (Date.now() - saidAt >= SAY_EVERY_MS) {
      saidAt = Date.now();
      log.warn("Stream {stream} is full: {measured} entries, the mark is {mark}", { stream, measured, mark });
    }
    await delay(backpressureMs, signal);
  }

  return {
    write,
    figures: (): RedisFigures => ({ ...figures }),
    async load(key: string): Promise<Cursor | undefined> {
      const cursor = await places.load(key);
      return cursor === undefined ? undefined : unmarkDone(cursor);
    },
    forget: places.forget,
    async ended(key: string): Promise<boolean> {
      const cursor = await places.load(key);
      return cursor !== undefined && isDone(cursor);
    },
    async save(key: string, cursor: Cursor, end = false): Promise<void> {
      await write({ key, cursor: end ? markDone(cursor) : cursor, items: [] }, new AbortController().signal);
    },
  };
}

/** A labeler's frame without labels shows only by the position behind them; `rsky` writes those, too. */
function emptyFrameOf(batch: SinkBatch<AnyEvent>, confirmed: Cursor | undefined): number | undefined {
  if (!batch.key.startsWith("label_live:cursor:") || !/^\d+$/.test(batch.cursor ?? "")) return undefined;
  const last = batch.items.at(-1);
  const seen = Math.max(Number(confirmed ?? 0), last?.kind === "label" ? last.seq ?? 0 : 0);
  return Number(batch.cursor) > seen ? Number(batch.cursor) : undefined;
}

/** Which of the script's streams an entry goes to, from 1 on. */
function numberOf({ did }: StreamEntry, streams: number): string {
  return streams === 1 ? "1" : String(partitionOf(did, streams) + 1);
}
