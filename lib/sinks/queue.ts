/**
 * The sink `queue`: events as records in the rows of a queue file, with the position in the same transaction.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import type { Gap } from "../pipeline/batch.ts";
import { delay } from "../pipeline/retry.ts";
import type { CheckpointStore, Sink } from "../pipeline/sink.ts";
import { openQueue, type OpenQueueOptions, type Queue } from "./queue/queue.ts";
import { fileWatch } from "./sqlite/watch.ts";

export { makeQueueFolder, queueFile, queueLock } from "./queue/names.ts";
export type { ReceiptOutcome, ReleaseOptions, TakenRow, TakeOptions } from "./queue/leases.ts";
export type { QueueListOptions, QueueRow, QueueStats } from "./queue/look.ts";
export { type FoundQueue, type PendingRow, pendingRows, queuesIn } from "./queue/open.ts";
export {
  openQueue,
  type OpenQueueOptions,
  type Queue,
  type QueuePosition,
  type WaitingTakeOptions,
} from "./queue/queue.ts";
export type { QueueRecord } from "./queue/records.ts";
export type { QueueSelection } from "./queue/upkeep.ts";
export { DEFAULT_QUEUE, QUEUE_STATUSES, type QueueStatus } from "./queue/words.ts";

const log = getLogger(["bskyingest", "queue"]);

/** How often a write looks whether there is room again, in milliseconds. */
const LOOK_MS = 250;
/** One line a minute is enough about a queue that is full. */
const SAY_EVERY_MS = 60_000;
/** How often a write looks whether the file is still there, in milliseconds. */
const WATCH_MS = 10_000;

/** Options of {@link queueSink}. */
export interface QueueSinkOptions extends Pick<OpenQueueOptions, "batchSize" | "run" | "busyTimeoutMs" | "now"> {
  /** The file; made when it is missing, its folder must be there. */
  readonly file: string;
  /** At this size of what is in file and write-ahead log (bytes), writes wait until rows are removed; 0 = no limit. @default {0} */
  readonly maxBytes?: number;
  /** Makes gaps durable before the position passes them: a queue has no place for them. */
  readonly recordGaps?: ((key: string, gaps: readonly Gap[]) => Promise<unknown>) | undefined;
}

/** What the sink counts besides what the pipeline does. */
export interface QueueFigures {
  /** Rows that were added. */
  readonly rows: number;
  /** Rows of every status in the file. */
  readonly length: number;
  /** Why nothing is written at the moment: the file is full. */
  readonly backpressure: "bytes" | null;
}

/** The sink, and what a user wants to read of it. */
export interface QueueSink extends Sink<AnyEvent> {
  /** The table `cursors` of the file. */
  readonly checkpoints: CheckpointStore;
  /** For the start line: `queue ./queue/jetstream_sync.db`. */
  readonly describe: string;
  /** What was counted so far. */
  figures(): QueueFigures;
}

/**
 * Opens a queue file as a sink. One batch is one transaction: its rows and its cursor.
 *
 * @throws {ConfigError} Where the file cannot be made or used, with what is in it untouched.
 * @throws {TransientError} Where another program keeps it locked for longer than `busyTimeoutMs`.
 */
export async function queueSink(options: QueueSinkOptions): Promise<QueueSink> {
  const { file, maxBytes = 0, recordGaps, now = Date.now, ...rest } = options;
  const queue = await openQueue(file, { ...rest, now, create: true });
  const watch = fileWatch(file, { everyMs: WATCH_MS, now });
  const room = roomIn(queue, maxBytes);
  let rows = 0, length = queue.length();
  let open = true;
  return {
    name: "queue",
    describe: `queue ${file}`,
    async write({ key, items, cursor, gaps, end = false }, { signal }) {
      if (gaps?.length) await recordGaps?.(key, gaps);
      if (items.length === 0 && cursor === undefined) return { rejected: [] };
      watch.tick();
      if (items.length > 0) await room.wait(signal);
      rows += await queue.put(items, cursor === undefined ? undefined : { key, cursor, end }, signal);
      return { rejected: [] };
    },
    checkpoints: {
      load: (key) => Promise.resolve(queue.position(key)),
      ended: (key) => Promise.resolve(queue.ended(key)),
      save: async (key, cursor, end = false) => void await queue.put([], { key, cursor, end }),
    },
    figures() {
      if (open) length = queue.length();
      return { rows, length, backpressure: room.isFull() ? "bytes" : null };
    },
    async [Symbol.asyncDispose]() {
      if (!open) return;
      length = queue.length();
      open = false;
      await queue[Symbol.asyncDispose]();
      watch.check();
    },
  };
}

/** Waits at a size. Rows of the run are not looked at: only consumers, or `queue purge`, make room. */
function roomIn(queue: Queue, maxBytes: number) {
  let full = false;
  let saidAt = -Infinity;

  function isFull(): boolean {
    if (maxBytes === 0) return false;
    if (queue.usedBytes() < maxBytes) return false;
    queue.emptyLog();
    return queue.usedBytes() >= maxBytes;
  }

  return {
    isFull: () => full,
    async wait(signal: AbortSignal): Promise<void> {
      while ((full = isFull())) {
        if (Date.now() - saidAt >= SAY_EVERY_MS) {
          saidAt = Date.now();
          const bytes = queue.usedBytes();
          log.warn("{file} is full: {bytes} bytes, the limit is {maxBytes}", { file: queue.file, bytes, maxBytes });
        }
        await delay(LOOK_MS, signal);
      }
    },
  };
}
