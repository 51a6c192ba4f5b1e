/**
 * The options that sources of numbered frames share, and what they come to once everything is checked.
 *
 * @module
 */
import { type Backoff, fullJitter } from "../../pipeline/retry.ts";
import type { TapEntry } from "../tap.ts";
import { type Endpoint, readHosts } from "./endpoint.ts";

/** Options of every source of numbered frames. All are checked together, before the first connection. */
export interface LiveOptions {
  /** Read side by side, each `host` or `host:port`; `http://` or `ws://` in front: unencrypted. */
  readonly hosts?: readonly string[];
  /** Where to begin whatever is saved: live, with the oldest frame, or behind a number of the only host. */
  readonly cursor?: "live" | "oldest" | number;
  /** Where to begin without a saved position. */
  readonly begin?: "live" | "oldest";
  /** Ends behind the first frame of the only host with this number or a higher one. */
  readonly until?: number;
  /** What to do when the position is in the server's future, or its numbers begin anew. @default {"stop"} */
  readonly onFutureCursor?: "stop" | "live" | "oldest";
  /** Drop the connection after a frame that cannot be read, as the protocol says. @default {false} */
  readonly strict?: boolean;
  /** The largest frame that is accepted, in bytes. @default {5242880} */
  readonly maxFrameBytes?: number;
  /** Milliseconds without a frame that end a connection, 0 = never; `auto`: 60,000 where over one a second came lately. */
  readonly idleTimeout?: "auto" | number;
  /** Milliseconds without any sign of life that end a connection; it is asked for one three times meanwhile. @default {45000} */
  readonly deadAfterMs?: number;
  /** Put before the keys under which positions are saved. Default: nothing. */
  readonly keyPrefix?: string;
  /** Stands for the only host in positions and events, for a server whose port changes. */
  readonly alias?: string;
  /** The local clock, in milliseconds. @default {Date.now} */
  readonly now?: () => number;
  /** Shown everything that comes, before it is decoded. */
  readonly tap?: (entry: TapEntry) => void;
  /** When to dial again. Default: full jitter, for ever. */
  readonly backoff?: Backoff;
}

/** Options that were checked. */
export interface LivePlan {
  readonly endpoints: readonly Endpoint[];
  readonly cursor: "live" | "oldest" | number | undefined;
  readonly begin: "live" | "oldest";
  readonly until: number;
  readonly onFutureCursor: "stop" | "live" | "oldest";
  readonly strict: boolean;
  readonly maxFrameBytes: number;
  readonly idleTimeout: "auto" | number;
  readonly deadAfterMs: number;
  readonly keyPrefix: string;
  readonly now: () => number;
  readonly tap: LiveOptions["tap"];
  readonly backoff: Backoff;
}

/** What differs between the sources where an option is not given. */
export type LiveDefaults = Required<Pick<LiveOptions, "hosts" | "begin" | "idleTimeout">>;

/** Checks the options and fills in what is not given; `faults` gets a sentence for everything that is wrong. */
export function makeLivePlan(options: LiveOptions, defaults: LiveDefaults, faults: string[]): LivePlan {
  const { hosts, ...others } = { ...defaults, ...options };
  const endpoints = readHosts(hosts, options.alias, faults);
  const { cursor, until, maxFrameBytes = 5 * 1024 * 1024 } = options;
  checkNumber("cursor", cursor === "live" || cursor === "oldest" ? undefined : cursor, 0, endpoints, faults);
  checkNumber("until", until, 1, endpoints, faults);
  if (!Number.isSafeInteger(maxFrameBytes) || maxFrameBytes < 1) {
    faults.push(`Cannot use a frame limit of ${maxFrameBytes}: it must be an integer from 1 on`);
  }
  return {
    onFutureCursor: "stop",
    strict: false,
    deadAfterMs: 45_000,
    keyPrefix: "",
    now: Date.now,
    tap: undefined,
    backoff: fullJitter(),
    ...others,
    cursor,
    until: until ?? Infinity,
    maxFrameBytes,
    endpoints,
  };
}

/** A position number must be one, and belongs to one host. */
function checkNumber(
  name: string,
  value: number | undefined,
  least: number,
  endpoints: readonly Endpoint[],
  faults: string[],
): void {
  if (value === undefined) return;
  if (!Number.isSafeInteger(value) || value < least) {
    faults.push(`Cannot use ${name} ${value}: it must be an integer from ${least} on`);
  }
  if (value > 0 && endpoints.length > 1) {
    faults.push(`Cannot use ${name} ${value} with several hosts: a sequence number belongs to one host`);
  }
}
