/**
 * How events are brought to the sink: the same for every ingest command and for `replay`.
 *
 * @module
 */
import { MOST_TIMER_MS } from "../kit/units.ts";
import { elasticsearchOptions } from "./elasticsearch.ts";
import { queueOptions } from "./queue.ts";
import { redisOptions } from "./redis.ts";
import { webhookOptions } from "./webhook.ts";
import { choice, duration, ingex, integer, list, number, path, size, text, toggle } from "../kit/option.ts";

const group = "Delivery";
const sinkGroup = "Sinks";

/** The sinks that can be chosen; `lib/sinks/registry.ts` has one entry for each (a test compares them). */
export const SINK_NAMES = ["sqlite", "elasticsearch", "redis", "queue", "webhook", "ndjson", "stdout", "null"] as const;

/** Declarations of the options. */
export const deliveryOptions = {
  sink: choice(
    "sink",
    {
      help: "Where events go",
      group,
      metavar: "NAME",
      common: true,
      defaultText: "elasticsearch, webhook or redis if its URL is set, else sqlite",
    },
    SINK_NAMES,
  ),
  dryRun: toggle("dry-run", { help: "Do everything but write and save positions", group, common: true }),
  batchSize: integer("batch-size", {
    help: "Events of one write",
    group,
    min: 1,
    defaultText: "sqlite 1000, elasticsearch and queue 100, others 500",
  }),
  batchTimeout: duration(
    "batch-timeout",
    { help: "An incomplete batch goes out after that", group, max: MOST_TIMER_MS },
    "1s",
  ),
  concurrency: integer("concurrency", {
    help: "Writes side by side, for sinks that need no order",
    group,
    min: 1,
    max: 1000,
    defaultText: "elasticsearch 4, others 1",
  }),
  maxInFlight: integer("max-in-flight", { help: "Events not yet safe before reading pauses", group, min: 1 }, 10_000),
  maxRetries: integer("max-retries", { help: "Attempts to repeat the write of one batch; 0 = for ever", group }, 0),
  deadLetter: path("dead-letter", {
    help: "Where events go that can never be written",
    group,
    defaultText: "dead-letter/KEY.ndjson in the state folder",
  }),
  deadLetterMaxBytes: size("dead-letter-max-bytes", { help: "When it is full, reading pauses", group, min: 1 }, "1GiB"),
  maxDeadRatio: number(
    "max-dead-ratio",
    { help: "Share of dead events among the last 1,000 that ends the run; 1 = none", group, max: 1 },
    0.05,
  ),
  checkpointInterval: duration(
    "checkpoint-interval",
    { help: "Between two saves of the position, for sinks that do not keep it themselves", group, max: MOST_TIMER_MS },
    "1s",
  ),
  stateKey: text("state-key", {
    help: "Which saved position",
    group,
    metavar: "NAME",
    defaultText: "the command's name",
  }),
  stateFile: path("state-file", {
    help: "Where the position is kept, for sinks that do not keep it themselves",
    group,
    env: ingex("JETSTREAM_STATE_FILE"),
    defaultText: "KEY-SINK.json in the state folder",
  }),
  onGap: choice(
    "on-gap",
    { help: "What a hole in the stream leads to; heal: jetstream goes on at a host that has the events", group },
    ["warn", "fail", "heal"],
    "warn",
  ),
} as const;

/** Declarations of the sinks' own options. */
export const sinkOptions = {
  ...elasticsearchOptions,
  ...redisOptions,
  ...queueOptions,
  ...webhookOptions,
  db: path("db", { help: "SQLite file", group: sinkGroup, common: true }, "./bskyingest.db"),
  table: text(
    "table",
    { help: "Its table; views and indices are named after it", group: sinkGroup, metavar: "NAME" },
    "events",
  ),
  indexes: list(
    "indexes",
    {
      help: "Indices of a new table; none = no index",
      group: sinkGroup,
      metavar: "LIST",
      choices: ["time", "changed", "collection", "none"],
    },
    ["time", "changed"],
  ),
  retention: duration("retention", {
    help: "Rows older than that are deleted; the file keeps its size",
    group: sinkGroup,
    min: 1000,
    defaultText: "for ever",
  }),
  out: path(
    "out",
    { help: "NDJSON file of --sink ndjson; .gz and .zst compress", group: sinkGroup, metavar: "FILE" },
    "bskyingest.ndjson",
  ),
} as const;
