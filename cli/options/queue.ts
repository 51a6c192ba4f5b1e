/**
 * The options of the sink `queue`, and of the commands that work with queues.
 *
 * @module
 */
import { DEFAULT_QUEUE, QUEUE_STATUSES } from "../../lib/sinks/queue/words.ts";
import { choice, duration, integer, list, path, size, text, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS } from "../kit/units.ts";

const group = "Queue";

/** Declarations: which queue. */
export const queueDirOption = {
  queueDir: path("queue-dir", {
    help: "Folder of queue files, made when it is missing",
    group,
    metavar: "DIR",
    env: [{ name: "BSKY_DATA_DIR", read: (folder) => `${folder}/queue` }],
    common: true,
  }, "./queue"),
} as const;

/** Declarations of the sink's options. */
export const queueOptions = {
  queueName: text("queue-name", { help: "Queue of --sink queue", group, metavar: "NAME" }, DEFAULT_QUEUE),
  ...queueDirOption,
  queueMaxBytes: size("queue-max-bytes", {
    help: "Size of a queue's file at which reading pauses; 0 = no limit",
    group,
  }, "0"),
} as const;

/** Declaration of the length of a lease. */
export const leaseOption = {
  lease: duration("lease", { help: "How long rows are the taker's", min: 1, common: true }, "5m"),
} as const;

const fromGroup = "Queue in place of streams";

/** Declarations of the options of `consume` that are about a queue. */
export const fromQueueOptions = {
  fromQueue: text("from-queue", {
    help: "Read this queue of --queue-dir, and no stream",
    group: fromGroup,
    metavar: "NAME",
    common: true,
    conflicts: [
      ...["from-stream", "from-redis-url", "partition", "group", "from", "block", "claim-idle", "claim-interval"],
      ...["max-deliveries", "dead-stream", "raw", "after-ack"],
    ],
  }),
  once: toggle("once", { help: "End when there is nothing to take", group: fromGroup, common: true }),
  lease: duration("lease", {
    help: "After that, rows of a process that is gone can be taken again; while it lives it keeps them",
    group: fromGroup,
    min: 1000,
    max: MOST_TIMER_MS,
  }, "5m"),
  maxAttempts: integer("max-attempts", {
    help: "A row whose lease has ended so often becomes failed",
    group: fromGroup,
    min: 1,
  }, 5),
} as const;

/** Declarations of the options of `queue list`. */
export const queueListOptions = {
  ...queueDirOption,
  status: choice("status", { help: "Only rows of this status", common: true }, QUEUE_STATUSES),
  limit: integer("limit", { help: "At most so many", min: 1, common: true }, 100),
  after: integer("after", { help: "Only rows with a greater id", metavar: "ID", common: true }, 0),
} as const;

/** Declarations of the options of `queue take`. */
export const queueTakeOptions = {
  ...queueDirOption,
  count: integer("count", { help: "At most so many rows", short: "n", min: 1, max: 1_000_000, common: true }, 1),
  ...leaseOption,
  consumer: text("consumer", { help: "Who takes them, for the lists", metavar: "NAME", common: true }),
  wait: duration("wait", {
    help: "How long to wait for the first row while there is none",
    max: MOST_TIMER_MS,
    common: true,
  }, "0s"),
  maxAttempts: integer("max-attempts", {
    help: "A row whose lease has ended so often becomes failed",
    min: 1,
    common: true,
  }, 5),
  records: toggle("records", { help: "Print a line for each record, not for each row", common: true }),
  extend: toggle("extend", { help: "Take nothing: the rows of RECEIPT are kept for --lease from now", common: true }),
} as const;

/** Declarations of the options of `queue ack`. */
export const queueAckOptions = {
  ...queueDirOption,
  delete: toggle("delete", { help: "Delete the rows at once", common: true }),
} as const;

/** Declarations of the options of `queue requeue`. */
export const queueRequeueOptions = {
  ...queueDirOption,
  delay: duration("delay", {
    help: "Keep the rows out of sight for so long",
    common: true,
    conflicts: ["status", "fail"],
  }),
  error: text("error", { help: "Why, for the lists", common: true, conflicts: ["status"] }),
  fail: toggle("fail", { help: "Give up: the rows become failed", common: true, conflicts: ["status"] }),
  status: choice("status", {
    help: "Move all rows of this status, with attempts back at 0",
    common: true,
  }, ["failed", "processing", "completed"]),
  olderThan: duration("older-than", { help: "Only those that were added so long ago", common: true }),
} as const;

/** Declarations of the options of `queue purge`. */
export const queuePurgeOptions = {
  ...queueDirOption,
  status: list("status", { help: "Rows of these statuses", choices: QUEUE_STATUSES, common: true }),
  olderThan: duration("older-than", { help: "Only those that were added so long ago", common: true }),
  keep: integer("keep", { help: "So many of the newest ones stay", common: true }, 0),
  vacuum: toggle("vacuum", { help: "Make the file smaller, too", common: true }),
  force: toggle("force", { help: "Also rows that nobody has worked on", common: true }),
} as const;
