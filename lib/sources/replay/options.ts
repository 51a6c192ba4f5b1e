/**
 * The options of a replay, and what they come to once everything is checked.
 *
 * @module
 */
import type { AtEvent, Kind } from "../../atproto/event.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { collectionMatcher, matcher } from "../jetstream/filter.ts";
import { collectionFaults, didFaults, kindFaults, operationFaults } from "../wanted_faults.ts";
import { givenDictionary } from "./dictionary.ts";
import type { Clock } from "./pace.ts";
import type { RelayOptions } from "./relay.ts";

/** The name that means standard input. */
export const STDIN = "-";

/** Options of {@link replay}. */
export interface ReplayOptions {
  /** Read in this order; `-` is standard input. */
  readonly files: readonly string[];
  /** NSIDs and wildcards (`app.bsky.feed.*`), or `all`. @default {["all"]} */
  readonly collections?: readonly string[];
  /** `create`, `update`, `delete`: restricts commits only. Default: all. */
  readonly operations?: readonly string[];
  /** Accounts; default: all. */
  readonly dids?: readonly string[];
  /** Kinds of events; labels are none, and all of them are wanted. @default {["commit", "identity", "account"]} */
  readonly kinds?: readonly string[];
  /** What is checked of the blocks in frames: nothing, or their hashes and the commit's. @default {"blocks"} */
  readonly verify?: "none" | "blocks";
  /** Take the removed `#handle` of relays for an identity event. @default {false} */
  readonly handles?: boolean;
  /** So many times as fast as it came; 0 = as fast as it goes. @default {0} */
  readonly speed?: number;
  /** How often everything is read. @default {1} */
  readonly loop?: number;
  /** Contents of a zstd dictionary, for messages that are compressed one by one. Default: from the folder. */
  readonly dictionary?: Uint8Array;
  /** Where dictionaries are kept. Default: nowhere. */
  readonly dictionaryFolder?: string;
  /** Begin anew although there is a saved position. @default {false} */
  readonly restart?: boolean;
  /** In front of the key under which the position is saved, with a colon. */
  readonly keyPrefix?: string;
  /** What waits between events where `speed` is not 0. */
  readonly clock?: Clock;
  /** What `-` reads. @default {Deno.stdin.readable} */
  readonly stdin?: ReadableStream<Uint8Array>;
}

/** Which events are wanted. */
export interface Wanted {
  /** Of Jetstream. */
  readonly matches: (event: AtEvent) => boolean;
  /** Of relays and labelers. */
  readonly relay: RelayOptions;
}

/**
 * Checks everything and answers which events are wanted.
 *
 * @throws {ConfigError} with every fault of the options.
 */
export function checkOptions(options: ReplayOptions): Wanted {
  const { collections, operations, dids = [], verify = "blocks", handles = false } = options;
  const kinds = options.kinds ?? ["commit", "identity", "account"];
  const all = collections === undefined || (collections.length === 1 && collections[0] === "all");
  const faults = [
    ...inputFaults(options),
    ...kindFaults(kinds),
    ...(operations ? operationFaults(operations) : []),
    ...(collections && !kinds.includes("commit")
      ? ["Cannot filter by collection: the wanted kinds have no commit"]
      : []),
    ...collectionFaults(collections ?? ["all"]),
    ...didFaults(dids),
  ];
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  const ops = operations && new Set(operations);
  const filter = {
    kinds: new Set(kinds as Kind[]),
    collections: all ? undefined : collections,
    dids: dids.length > 0 ? dids : undefined,
  };
  const matches = matcher(filter);
  return {
    matches: ops ? (event) => matches(event) && (event.kind !== "commit" || ops.has(event.commit.operation)) : matches,
    relay: {
      filter: {
        kinds: filter.kinds,
        operations: ops,
        collections: filter.collections && collectionMatcher(filter.collections),
        dids: filter.dids && new Set(filter.dids),
      },
      verify,
      handles,
    },
  };
}

/** What is wrong with the files and how they are to be read. */
function* inputFaults(options: ReplayOptions): Iterable<string> {
  const { files, speed = 0, loop = 1 } = options;
  if (files.length === 0) yield "Cannot replay: name a file";
  const { length } = files.filter((file) => file === STDIN);
  if (length > 1) yield "Cannot replay standard input twice: it can be read once";
  if (length > 0 && loop > 1) yield "Cannot replay standard input several times: it can be read once";
  if (!(speed >= 0 && speed < Infinity)) yield `Cannot replay at speed ${speed}: it must be a positive number`;
  if (!(Number.isSafeInteger(loop) && loop >= 1)) yield `Cannot replay ${loop} times: it must be an integer from 1`;
  if (options.dictionary && !givenDictionary(options)) {
    yield "Cannot use the zstd dictionary: it is none, as it does not begin with 37 A4 30 EC";
  }
}
