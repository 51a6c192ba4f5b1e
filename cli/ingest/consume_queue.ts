/**
 * A queue as what a run reads.
 *
 * @module
 */
import { resolve } from "node:path";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { Source } from "../../lib/pipeline/source.ts";
import { openQueue, pendingRows, queueFile } from "../../lib/sinks/queue.ts";
import { fileWatch } from "../../lib/sinks/sqlite/watch.ts";
import { queuePreview, type QueueSource, queueSource, type RowQueue } from "../../lib/sources/queue.ts";
import type { ReportPart } from "../report.ts";
import type { ConsumeContext } from "./consume.ts";
import type { Delivery, Reading } from "./reading.ts";
import type { Target } from "./target.ts";

/** Rows of one take. */
const DEFAULT_COUNT = 10;
/** How often a take looks whether the file is still there, in milliseconds. */
const WATCH_MS = 10_000;

/** The values that name queues. */
type QueueValues = Pick<ConsumeContext["values"], "fromQueue" | "queueDir" | "queueName">;

/**
 * The file that is read.
 *
 * @throws {ConfigError} For a name that no queue can have, and the queue that is written.
 */
export function queueToRead({ fromQueue, queueDir, queueName }: QueueValues, target: Target): string {
  const file = queueFile(queueDir, fromQueue!);
  if (target.sink === "queue" && resolve(target.place) === resolve(file)) {
    throw new ConfigError(`Cannot use --queue-name ${queueName}: it is the queue that is read`);
  }
  return file;
}

/**
 * Prepares to read. What is opened is closed with `resources`.
 *
 * @throws {ConfigError} For options that cannot be, and a queue that is not there or cannot be used.
 */
export async function queueReading(
  { values }: ConsumeContext,
  target: Target,
  resources: AsyncDisposableStack,
): Promise<Reading> {
  const { fromQueue, once, count = DEFAULT_COUNT, lease: leaseMs, maxAttempts } = values;
  const name = fromQueue!;
  const file = queueToRead(values, target);
  if (values.dryRun) {
    const rows = (after: number) => pendingRows(file, after, count);
    await rows(0); // whether there is such a queue is to be said at once
    return previewOf(queuePreview({ name, once, rows }), file);
  }
  const { consumer = `${Deno.hostname()}-${Deno.pid}` } = values;
  const queue = watched(resources.use(await openQueue(file)), file);
  const source = resources.use(queueSource({ queue, name, once, count, leaseMs, maxAttempts, consumer }));
  return readingOf(source, file, `${file} as ${consumer}`);
}

/** A queue whose file somebody removes would seem to be empty for ever. */
function watched(queue: RowQueue, file: string): RowQueue {
  const watch = fileWatch(file, { everyMs: WATCH_MS, now: Date.now });
  return {
    extend: queue.extend,
    ack: queue.ack,
    release: queue.release,
    async take(options) {
      watch.tick();
      return await queue.take(options);
    },
  };
}

function previewOf(source: Source<AnyEvent>, name: string): Reading {
  return {
    name,
    async run(delivery: Delivery) {
      delivery.announce("the rows that are pending");
      return (await delivery.pipe(source)).endedBy;
    },
  };
}

function readingOf(source: QueueSource, name: string, where: string): Reading {
  return {
    name,
    acknowledges: true,
    async run(delivery: Delivery) {
      delivery.announce(where);
      return (await delivery.pipe(source)).endedBy;
    },
    report: () => partOf(source),
  };
}

/** The part of the summary that is about rows. */
function partOf(source: QueueSource): ReportPart {
  const figures = source.figures();
  const n = (value: number) => value.toLocaleString("en-US");
  const { read, acknowledged, redelivered, stale } = figures;
  const others = Object.entries({ redelivered, stale }).filter(([, count]) => count > 0);
  return {
    members: { consume: figures },
    lines: [
      [`rows read ${n(read)}, acknowledged ${n(acknowledged)}`, ...others.map(([what, count]) => `${what} ${n(count)}`)]
        .join(", "),
    ],
    failed: false,
  };
}
