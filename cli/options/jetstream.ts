/**
 * The options of the Jetstream source.
 *
 * @module
 */
import { MOST_TIMER_MS } from "../kit/units.ts";
import { choice, duration, integer, list, parsed, path, size, toggle, url } from "../kit/option.ts";
import { handleOptions } from "./handles.ts";
import { timestamp } from "./time.ts";

const group = "Source";
const filter = "Filters";
const position = "Position and end";

/** Declarations of the options. */
export const jetstreamOptions = {
  url: url("url", {
    help: "Subscribe URL; filters in its query count as options",
    group,
    protocols: ["ws:", "wss:"],
    env: ["JETSTREAM_URL"],
    common: true,
    conflicts: ["instance", "simulate"],
    defaultText: "the public servers",
  }),
  instance: list("instance", {
    help: "Jetstream host; again or with commas: the order of fail-over",
    group,
    short: "i",
    metavar: "HOST",
    conflicts: ["simulate"],
  }),
  simulate: toggle("simulate", { help: "Read made-up events from a server inside this process", group, common: true }),
  race: toggle("race", {
    help: "Read all hosts side by side and keep the first copy of each event",
    group,
    conflicts: ["simulate"],
  }),
  compress: toggle("compress", { help: "Have the server compress what it sends (zstd)", group, common: true }),
  zstdDictionary: path("zstd-dictionary", {
    help: "Dictionary for --compress",
    group,
    defaultText: "from the cache folder, the server, or Jetstream's public repository",
  }),
  wire: choice("wire", { help: "Version of the protocol", group }, ["auto", "v1", "v2"], "auto"),
  maxMessageBytes: integer(
    "max-message-bytes",
    { help: "Ask the server to leave out larger events; 0 = none", group, max: 2 ** 32 - 1 },
    0,
  ),
  maxFrameBytes: size(
    "max-frame-bytes",
    { help: "Largest message that is accepted", group, min: 1024, max: 2 ** 30 },
    "32MiB",
  ),
  idleTimeout: duration("idle-timeout", {
    help: "Without a sign of life: connect again; 0 = never",
    group,
    max: MOST_TIMER_MS,
  }, "30s"),
  wantedCollections: list(
    "wanted-collections",
    {
      help: "Collections (app.bsky.feed.post, app.bsky.graph.*), or all",
      group: filter,
      short: "c",
      common: true,
      env: [{ name: "JETSTREAM_COLLECTIONS", read: (text) => text.trim() === "*" ? "all" : text }],
    },
    ["app.bsky.feed.like"],
  ),
  wantedDids: list("wanted-dids", { help: "Accounts, by DID", group: filter, short: "d", common: true }),
  ...handleOptions,
  kinds: list(
    "kinds",
    {
      help: "Kinds of events; sync comes on the v2 wire only",
      group: filter,
      choices: ["commit", "identity", "account", "sync"],
    },
    ["commit", "identity", "account"],
  ),
  cursor: integer("cursor", {
    help: "Begin here: microseconds since 1970, or a sequence number of the one host that is named",
    group: position,
    conflicts: ["start-timestamp"],
  }),
  startTimestamp: parsed(
    "start-timestamp",
    { help: "Begin at this time (2026-07-04, 2026-07-04-14:38:08: UTC)", group: position, short: "s", metavar: "TIME" },
    timestamp,
  ),
  endTimestamp: parsed(
    "end-timestamp",
    { help: "End before this time", group: position, short: "e", metavar: "TIME" },
    timestamp,
  ),
  numRecords: integer("num-records", {
    help: "End after so many written events; 0 = never",
    group: position,
    short: "n",
    common: true,
  }, 0),
  maxTime: duration(
    "max-time",
    { help: "End after this time; 0 = never", group: position, short: "t", common: true, max: MOST_TIMER_MS },
    "0",
  ),
  noRewind: toggle("no-rewind", { help: "Begin live although there is a saved position", group: position }),
  maxRewind: duration(
    "max-rewind",
    {
      help: "Go back to a saved position no further than this; a bare number is minutes; 0 = any",
      group: position,
      unit: "m",
    },
    "0",
  ),
  overlap: duration("overlap", { help: "How far a resume by time goes back", group: position }, "5s"),
} as const;
