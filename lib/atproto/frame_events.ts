/**
 * Messages of a relay or PDS as events.
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import { type Car, readCar } from "./car.ts";
import { Cid, cidText, hashesTo, isBlockCid, sameCid } from "./cid.ts";
import { decodeCommit } from "./commit.ts";
import type { AtEvent, Commit, CommitEvent, Kind, Origin } from "./event.ts";
import { recordJson, splitPath } from "./record.ts";
import type { CommitMessage, NumberedMessage, RepoOp, SyncMessage } from "./repo_message.ts";
import { microsOf, parseTimestamp } from "./time.ts";

/** Which events are wanted; absent members match everything. */
export interface RepoFilter {
  /** `sync` only where it is asked for. */
  readonly kinds: ReadonlySet<Kind>;
  /** Restricts commits only. */
  readonly collections?: ((collection: string) => boolean) | undefined;
  /** Restricts commits only. */
  readonly operations?: ReadonlySet<string> | undefined;
  /** Restricts every kind. */
  readonly dids?: ReadonlySet<string> | undefined;
}

/** How messages become events. */
export interface FrameEventsOptions {
  /** Put into each event: one frozen object a connection. */
  readonly origin: Origin;
  /** What is wanted; it is applied before blocks are looked at. */
  readonly filter: RepoFilter;
  /**
   * `blocks`: the commit block says the same as the message, and the hashes of it and of each block that an event uses are right.
   * `none`: neither is looked at.
   */
  readonly verify: "none" | "blocks";
  /** The clock that stands in for a time that cannot be read: milliseconds since 1970. */
  readonly now: () => number;
}

/** What a message became. */
export interface FrameEvents {
  /** One for each operation, in their order. They belong into one batch. */
  readonly events: readonly AtEvent[];
  /** Events that are not wanted. */
  readonly filtered: number;
  /** Operations that cannot become events: `op-*` or `block-hash`, with `did`, `rev`, `seq`, `op` (its place in the message), `action` and `path` as `detail`. */
  readonly rejected: readonly PoisonError[];
  /** Whether the time could not be read, so that the clock's is in the events. */
  readonly badTime: boolean;
}

/** What all events of a message have. */
interface Shared {
  readonly time_us: number;
  readonly badTime: boolean;
}

const NOTHING: readonly never[] = [];

/**
 * Makes the events of a message. Blocks are only looked at when an operation is wanted.
 *
 * @throws {PoisonError} where the message as a whole cannot be used: `car-*`, `block-hash`, `commit-mismatch`, or what `decodeCommit` throws.
 */
export function frameEvents(message: NumberedMessage, options: FrameEventsOptions): FrameEvents {
  const { kinds, dids } = options.filter;
  const kind = message.type.slice(1) as Kind;
  if (!kinds.has(kind) || (dids !== undefined && !dids.has(message.did))) {
    return nothing(message.type === "#commit" ? message.ops.length : 1);
  }
  if (message.type === "#commit") return commitEvents(message, options);
  if (message.type === "#sync" && options.verify === "blocks") openCar(message, options.verify);
  const shared = timeOf(message.time, options.now);
  return {
    events: [otherEvent(message, options.origin, shared)],
    filtered: 0,
    rejected: NOTHING,
    badTime: shared.badTime,
  };
}

function nothing(filtered: number): FrameEvents {
  return { events: NOTHING, filtered, rejected: NOTHING, badTime: false };
}

function timeOf(time: string, now: () => number): Shared {
  const time_us = microsOf(time) ?? parseTimestamp(time);
  return time_us === undefined ? { time_us: now() * 1000, badTime: true } : { time_us, badTime: false };
}

function commitEvents(message: CommitMessage, { origin, filter, verify, now }: FrameEventsOptions): FrameEvents {
  const ops = message.ops.filter((op) => isWanted(op, filter));
  const filtered = message.ops.length - ops.length;
  if (ops.length === 0) return nothing(filtered);
  const { did, seq, rev } = message;
  // Servers that found a commit too large used to send it without blocks.
  const needed = verify === "blocks" || ops.some(({ action }) => action !== "delete");
  const car = needed && message.blocks.length > 0 ? openCar(message, verify) : undefined;
  const { time_us, badTime } = timeOf(message.time, now);
  const relay = { time: message.time, commit: message.commit.toString() };
  const events: CommitEvent[] = [];
  const rejected: PoisonError[] = [];
  for (const op of ops) {
    try {
      const commit = commitOf(op, rev, car, verify);
      events.push({ did, time_us, seq, kind: "commit", commit, origin, relay });
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      rejected.push(withDetail(error, message, op));
    }
  }
  return { events, filtered, rejected, badTime };
}

/** By what comes before the slash, whether the path is valid or not. */
function isWanted({ action, path }: RepoOp, { operations, collections }: RepoFilter): boolean {
  if (operations !== undefined && !operations.has(action as string)) return false;
  return collections === undefined || typeof path !== "string" || collections(path.split("/", 1)[0]!);
}

/** Reads the blocks of a message and compares the commit among them with it, if that is to be verified. */
function openCar(message: CommitMessage | SyncMessage, verify: "none" | "blocks"): Car {
  const car = readCar(message.blocks);
  if (verify === "none") return car;
  const { did, rev } = message;
  if (message.type === "#commit" && !sameCid(message.commit.bytes, car.root.bytes)) {
    throw mismatch("the root of the blocks is another commit");
  }
  const block = car.find(car.root.bytes);
  if (block === undefined) throw mismatch("the commit is not among the blocks");
  if (!hashesTo(block, car.root.bytes)) throw wrongHash("the commit");
  const commit = decodeCommit(block);
  if (commit.did !== did) throw mismatch("the commit is of another repo");
  if (commit.rev !== rev) throw mismatch("the commit has another rev");
  return car;
}

function mismatch(why: string): PoisonError {
  return new PoisonError("commit-mismatch", `Cannot use message: ${why}`);
}

function wrongHash(what: string): PoisonError {
  return new PoisonError("block-hash", `Cannot use block: the hash of ${what} is not that of its CID`);
}

function badOp(name: string, why: string): PoisonError {
  return new PoisonError(`op-${name}`, `Cannot use operation: ${why}`);
}

function commitOf({ action, path, cid }: RepoOp, rev: string, car: Car | undefined, verify: "none" | "blocks"): Commit {
  const place = typeof path === "string" ? splitPath(path) : undefined;
  if (place === undefined) throw badOp("path", "its path is none of a record");
  const { collection, rkey } = place;
  switch (action) {
    case "create":
    case "update":
      return { rev, operation: action, collection, rkey, ...recordOf(cid, car, verify) };
    case "delete":
      return { rev, operation: action, collection, rkey };
    default:
      throw badOp("action", "it is neither create nor update nor delete");
  }
}

function recordOf(cid: unknown, car: Car | undefined, verify: "none" | "blocks") {
  if (!(cid instanceof Cid) || !isBlockCid(cid.bytes)) throw badOp("cid", "it has no CID of a record");
  const block = car?.find(cid.bytes);
  if (block === undefined) throw badOp("block", "its record is not among the blocks");
  if (verify === "blocks" && !hashesTo(block, cid.bytes)) throw wrongHash("the record");
  return { record: recordJson(block), cid: cidText(cid.bytes) };
}

function withDetail(error: PoisonError, { did, rev, seq, ops }: CommitMessage, op: RepoOp): PoisonError {
  const { action, path } = op;
  return new PoisonError(error.reason, error.message, {
    cause: error.cause,
    detail: { did, rev, seq, op: ops.indexOf(op), action, path, ...error.detail },
  });
}

function otherEvent(message: Exclude<NumberedMessage, CommitMessage>, origin: Origin, { time_us }: Shared): AtEvent {
  const { did, seq, time } = message;
  const base = { did, time_us, seq, origin, relay: { time } };
  switch (message.type) {
    case "#identity": {
      const { handle } = message;
      return { ...base, kind: "identity", identity: { did, ...(handle !== undefined && { handle }), seq, time } };
    }
    case "#account": {
      const { active, status } = message;
      return { ...base, kind: "account", account: { active, did, seq, ...(status !== undefined && { status }), time } };
    }
    case "#sync": {
      const $bytes = message.blocks.toBase64({ omitPadding: true });
      return { ...base, kind: "sync", sync: { did, rev: message.rev, seq, time, blocks: { $bytes } } };
    }
  }
}
