/**
 * The options of `firehose`, `labeler` and `backfill`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { choice, integer, list, parsed, path, size, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS, parseDuration } from "../kit/units.ts";
import { deliveryOptions, sinkOptions } from "./delivery.ts";
import { filterOptions } from "./filters.ts";
import { jetstreamOptions } from "./jetstream.ts";

const group = "Source";
const filter = "Filters";
const position = "Position and end";

/** `live`, `oldest` or a sequence number. */
function beginning(text: string): "live" | "oldest" | number {
  const word = text.trim();
  if (word === "live" || word === "oldest") return word;
  const seq = /^\d+$/.test(word) ? Number(word) : NaN;
  if (!Number.isSafeInteger(seq)) throw new ConfigError("it must be live, oldest or a sequence number");
  return seq;
}

/** Milliseconds; 0 = never. */
function idleTime(text: string): "auto" | number {
  const word = text.trim();
  if (word === "auto") return word;
  const ms = word === "off" ? 0 : parseDuration(word);
  if (ms === undefined || ms > MOST_TIMER_MS) throw new ConfigError("it must be auto, off or a duration such as 60s");
  return ms;
}

const simulate = toggle("simulate", {
  help: "Read made-up events from a server inside this process",
  group,
  common: true,
});

const relayHosts = list("relay-hosts", {
  help: "Relays or PDSs, read side by side; http:// in front: unencrypted",
  group,
  metavar: "HOST",
  env: ["INGESTER_RELAY_HOSTS", "RELAY_HOSTS", "INGESTER_HOSTS"],
  common: true,
  conflicts: ["simulate"],
}, ["bsky.network"]);

const labelerHosts = list("labeler-hosts", {
  help: "Labelers, read side by side; http:// in front: unencrypted",
  group,
  metavar: "HOST",
  env: ["INGESTER_LABELER_HOSTS", "LABELER_HOSTS"],
  common: true,
  conflicts: ["simulate"],
}, ["mod.bsky.app"]);

/** Declarations: streams of numbered frames. */
const liveOptions = {
  simulate,
  maxFrameBytes: size(
    "max-frame-bytes",
    { help: "Largest frame that is accepted", group, min: 1, max: 2 ** 30 },
    "5MiB",
  ),
  strict: toggle("strict", { help: "Drop the connection after a frame that cannot be read", group }),
  cursor: parsed("cursor", {
    help: "Begin live, with the oldest frame, or behind a number of the one host",
    group: position,
    metavar: "live|oldest|N",
    common: true,
  }, beginning),
  until: integer("until", { help: "End behind this sequence number of the one host", group: position, min: 1 }),
  onFutureCursor: choice(
    "on-future-cursor",
    { help: "What to do where a host's numbers have begun anew", group: position },
    ["stop", "live", "oldest"],
    "stop",
  ),
  numRecords: jetstreamOptions.numRecords,
  maxTime: jetstreamOptions.maxTime,
} as const;

/** What the older programs read of the environment, beside their hosts; `STREAM` is a part of the names. */
function commonOptions(stream: "FIREHOSE" | "LABEL" | "REPO") {
  return {
    ...filterOptions,
    ...deliveryOptions,
    ...sinkOptions,
    batchSize: { ...deliveryOptions.batchSize, env: ["INGESTER_BATCH_SIZE"] } as typeof deliveryOptions.batchSize,
    batchTimeout: {
      ...deliveryOptions.batchTimeout,
      env: [{ name: "INGESTER_BATCH_TIMEOUT_MS", read: milliseconds }],
    } as typeof deliveryOptions.batchTimeout,
    stream: { ...sinkOptions.stream, env: [`INGESTER_${stream}_STREAM`] } as typeof sinkOptions.stream,
    highWaterMark: {
      ...sinkOptions.highWaterMark,
      env: [`INGESTER_${stream}_STREAM_HIGH_WATER_MARK`, ...sinkOptions.highWaterMark.env],
    } as typeof sinkOptions.highWaterMark,
  } as const;
}

function milliseconds(text: string): string {
  const digits = text.trim();
  if (!/^\d+$/.test(digits)) throw new ConfigError("it must be a number of milliseconds");
  return `${digits}ms`;
}

/** Declarations of the options of `firehose`. */
export const firehoseOptions = {
  relayHosts,
  ...liveOptions,
  idleTimeout: parsed(
    "idle-timeout",
    {
      help: "Without a frame: connect again; auto = 60s where frames came often",
      group,
      metavar: "auto|DUR|off",
    },
    idleTime,
    "auto",
  ),
  verify: choice(
    "verify",
    { help: "What is checked: the framing alone, or that blocks have the hashes they are named by", group },
    ["none", "blocks"],
    "blocks",
  ),
  dedupe: toggle("dedupe", { help: "Of several hosts keep the first copy of each commit", group }),
  dedupeWindow: integer("dedupe-window", { help: "So many commits are remembered for that", group, min: 1 }, 500_000),
  wantedCollections: list("wanted-collections", {
    help: "Collections (app.bsky.feed.post, app.bsky.graph.*), or all; with --format rsky app.bsky.*,chat.bsky.*",
    group: filter,
    short: "c",
    common: true,
  }, ["all"]),
  wantedDids: list("wanted-dids", { help: "Accounts, by DID", group: filter, short: "d", common: true }),
  didsFile: path("dids-file", { help: "File with more of them, one a line", group: filter }),
  kinds: list("kinds", {
    help: "Kinds of events",
    group: filter,
    choices: ["commit", "identity", "account", "sync"],
  }, ["commit", "identity", "account"]),
  ...commonOptions("FIREHOSE"),
} as const;

/** Declarations of the options of `labeler`. */
export const labelerOptions = {
  labelerHosts,
  ...liveOptions,
  idleTimeout: parsed(
    "idle-timeout",
    {
      help: "Without a frame: connect again; a labeler may be silent for days",
      group,
      metavar: "auto|DUR|off",
    },
    idleTime,
    "off",
  ),
  ...commonOptions("LABEL"),
} as const;

/** Declarations of the options of `backfill`. */
export const backfillOptions = {
  relayHosts,
  simulate,
  pageSize: integer("page-size", { help: "Repos of one request", group, min: 1, max: 1000 }, 1000),
  restart: toggle("restart", { help: "Begin anew, also where the list was read to its end", group: position }),
  skipBadPages: toggle("skip-bad-pages", {
    help: "Leave out a repo that the host fails on again and again; a gap tells of it",
    group,
  }),
  numRecords: jetstreamOptions.numRecords,
  maxTime: jetstreamOptions.maxTime,
  ...commonOptions("REPO"),
} as const;
