/**
 * The options of `connector`: those of `jetstream` with other defaults, and how a capture ends.
 *
 * @module
 */
import { choice, duration, integer, list, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS } from "../kit/units.ts";
import { deliveryOptions, sinkOptions } from "./delivery.ts";
import { filterOptions } from "./filters.ts";
import { jetstreamOptions } from "./jetstream.ts";

const { wantedCollections, numRecords, maxTime } = jetstreamOptions;
const { group: position } = numRecords;

/** Declarations of the options. */
export const connectorOptions = {
  ...jetstreamOptions,
  wantedCollections: list("wanted-collections", {
    help: wantedCollections.help,
    group: wantedCollections.group,
    short: "c",
    common: true,
    env: wantedCollections.env,
  }, ["app.bsky.feed.post"]),
  numRecords: integer("num-records", {
    help: "End after so many records that count; 0 = never",
    group: position,
    short: "n",
    common: true,
  }, 1000),
  count: choice(
    "count",
    { help: "What counts: commits (accounts and identities are stored all the same), or all", group: position },
    ["commits", "all"],
    "commits",
  ),
  maxTime: duration(
    "max-time",
    { help: maxTime.help, group: position, short: "t", common: true, max: MOST_TIMER_MS },
    "5m",
  ),
  resume: toggle("resume", {
    help: "Begin at the saved position although the last run came to its end",
    group: position,
    common: true,
  }),
  ...filterOptions,
  ...deliveryOptions,
  sink: { ...deliveryOptions.sink, defaultText: "queue" },
  batchSize: integer("batch-size", {
    help: "Records of one row of a queue, events of one write of other sinks",
    group: deliveryOptions.batchSize.group,
    min: 1,
    max: 100_000,
    common: true,
    defaultText: deliveryOptions.batchSize.defaultText!,
  }),
  ...sinkOptions,
} as const;
