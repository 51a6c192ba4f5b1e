/**
 * What `gaps heal` takes: the options of every command that meets gaps.
 *
 * @module
 */
import { flagsOnly, type Options } from "../kit/declaration.ts";
import { connectorOptions } from "./connector.ts";
import { deliveryOptions, sinkOptions } from "./delivery.ts";
import { filterOptions } from "./filters.ts";
import { backfillOptions, firehoseOptions, labelerOptions } from "./firehose.ts";
import { jetstreamOptions } from "./jetstream.ts";
import { listenOptions } from "./listen.ts";
import { megastreamOptions } from "./megastream.ts";

/** All options of a command, by command. */
export const HEALED_COMMANDS = {
  jetstream: { ...jetstreamOptions, ...filterOptions, ...deliveryOptions, ...sinkOptions },
  connector: connectorOptions,
  firehose: firehoseOptions,
  labeler: labelerOptions,
  backfill: backfillOptions,
  megastream: megastreamOptions,
} as const;

/** Flags that say where a run begins and ends, how it goes on, or who may watch it: the gap itself says the one, the other is not ours. */
const OF_RUNS: ReadonlySet<string> = new Set([
  ...["simulate", "race", "dedupe", "dedupe-window", "cursor", "start-timestamp", "end-timestamp", "num-records"],
  ...[
    "max-time",
    "no-rewind",
    "max-rewind",
    "until",
    "on-future-cursor",
    "on-gap",
    "idle-timeout",
    "resume",
    "restart",
  ],
  ...["skip-bad-pages", "page-size", "mode", "spool-interval", "late-window", "since", "max-attempts", "retry-failed"],
  ...["on-bad-file", "checkpoint-interval", "count"],
]);

/** The flags. Of one that means the same everywhere but has several defaults, none is told. */
export const healFlags: Options = flagsOnly(flagsOfAll(Object.values(HEALED_COMMANDS)));

function flagsOfAll(commands: readonly Options[]): Options {
  const flags: Record<string, Options[string]> = {};
  for (const [key, option] of commands.flatMap((each) => Object.entries(each))) {
    if (OF_RUNS.has(option.flag) || option.group === listenOptions.listen.group) continue;
    const known = flags[key];
    const differs = known !== undefined && known.defaultText !== option.defaultText;
    flags[key] = { ...known ?? option, conflicts: [], ...(differs && { defaultText: "the command's" }) };
  }
  return flags;
}
