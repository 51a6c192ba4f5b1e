/**
 * What the readers of numbered frames need to know of the streams that they read.
 *
 * @module
 */
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import type { InfoMessage } from "../../atproto/repo_message.ts";
import type { PoisonError } from "../../pipeline/errors.ts";

/** What a message became. */
export interface Made {
  /** They belong into one batch. */
  readonly events: readonly AnyEvent[];
  /** Events that are not wanted. */
  readonly filtered: number;
  /** What of the message cannot become an event. */
  readonly rejected: readonly PoisonError[];
  /** Events whose time could not be read, so that the clock's is in them. */
  readonly badTimes: number;
}

/** A stream of one kind. */
export interface Protocol<M extends { readonly seq: number }> {
  /** Names the source in events and gaps. */
  readonly source: string;
  /** The path below a host. */
  readonly path: string;
  /** What the keys of positions begin with; the host follows. */
  readonly keyHead: string;
  /** Events with which a batch ends, behind a whole frame; 0: with each frame. */
  readonly batchEvents: number;
  /**
   * Decodes a message; `undefined` for types that are passed over.
   *
   * @throws {PoisonError}
   */
  decode(type: string, body: Uint8Array): M | InfoMessage | undefined;
  /**
   * Makes the events of a message.
   *
   * @throws {PoisonError}
   */
  make(message: M, origin: Origin): Made;
}

/** Live figures of one host. */
export interface HostStats {
  /** Whether there is a connection now. */
  connected: boolean;
  /** The number of the last frame that was handed on. */
  lastSeq: number | undefined;
  /** The time of the last event, in microseconds since 1970. */
  lastTimeUs: number | undefined;
  /** Frames by type; error frames as `error`, those that cannot be read as `bad`. */
  readonly frames: Record<string, number>;
  /** Operations, labels and frames that went to the dead letter, by code. */
  readonly rejected: Record<string, number>;
  /** Frames whose numbers did not grow. */
  regressions: number;
  /** How often the server said `ConsumerTooSlow`. */
  tooSlow: number;
  /** Events whose time could not be read. */
  badTimes: number;
}

/** Those of a host that was not read yet. */
export function noHostStats(): HostStats {
  return {
    connected: false,
    lastSeq: undefined,
    lastTimeUs: undefined,
    frames: {},
    rejected: {},
    regressions: 0,
    tooSlow: 0,
    badTimes: 0,
  };
}

/** A server may send names without end: above so many they count together. */
const MOST_NAMES = 64;

/** Adds one to the count of a name. */
export function count(counts: Record<string, number>, name: string): void {
  if (Object.hasOwn(counts, name)) counts[name]!++;
  else if (Object.keys(counts).length < MOST_NAMES) counts[name] = 1;
  else counts.others = (counts.others ?? 0) + 1;
}
