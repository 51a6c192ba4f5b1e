/**
 * Which dead letters are meant, and how they are retried.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { parseTimestamp } from "../../lib/atproto/time.ts";
import { list, parsed, path, text } from "../kit/option.ts";
import { deliveryOptions, sinkOptions } from "./delivery.ts";
import { filterOptions } from "./filters.ts";
import { jetstreamOptions } from "./jetstream.ts";
import { consumeOptions, redisConnectionOptions, redisOptions } from "./redis.ts";
import { replayOptions } from "./replay.ts";

const { stateFile: _stateFile, onGap: _onGap, maxDeadRatio: _maxDeadRatio, ...delivery } = deliveryOptions;
const { deadLetter, stateKey } = deliveryOptions;
const { maxFrameBytes } = jetstreamOptions;
const { wantedCollections, wantedDids, verify } = replayOptions;

/** As `consume` was told. */
const deadStream = {
  ...consumeOptions.deadStream,
  group: redisOptions.stream.group,
  help: "Where they are, if consume was told another place",
} as const;

/** Which file. */
export const whichOptions = { deadLetter, stateKey } as const;

/** A stream's, in place of a file. */
export const deadStreamOptions = {
  stream: {
    ...redisOptions.stream,
    help: "Entries of this stream of Redis that consume gave up on, in place of a file",
    defaultText: undefined,
  },
  deadStream,
  ...redisConnectionOptions,
} as const;

/** Which of its entries. */
export const entryOptions = {
  reason: text("reason", { help: "Only those with this code", metavar: "R", common: true }),
  stage: text("stage", { help: "Only those of this stage: source, filter, or a sink", metavar: "S", common: true }),
  since: parsed(
    "since",
    { help: "Only those of this time or later", metavar: "TIME", common: true },
    (value) => {
      const us = parseTimestamp(value);
      if (us === undefined) throw new ConfigError("it must be YYYY-MM-DD, YYYY-MM-DD-HH:MM:SS (UTC) or RFC 3339");
      return us / 1000;
    },
  ),
} as const;

/** What `dead-letter retry` takes. */
export const retryOptions = {
  ...entryOptions,
  id: list("id", { help: "Only these, as dead-letter list shows them", metavar: "ID", common: true }),
  wantedCollections,
  wantedDids,
  kinds: list("kinds", {
    help: "Kinds of events",
    group: "Filters",
    choices: ["commit", "identity", "account", "sync"],
  }, ["commit", "identity", "account", "sync"]),
  zstdDictionary: path("zstd-dictionary", {
    help: "Dictionary of messages that are compressed",
    defaultText: "from the cache folder",
  }),
  maxFrameBytes,
  verify,
  ...filterOptions,
  ...delivery,
  ...sinkOptions,
  deadStream,
} as const;
