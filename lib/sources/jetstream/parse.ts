/**
 * Messages of Jetstream's two wires as events.
 *
 * @module
 */
import type { AtEvent, Commit, Kind, Origin } from "../../atproto/event.ts";
import { microsOf } from "../../atproto/time.ts";
import { PoisonError } from "../../pipeline/errors.ts";

/** What a message that is no event says. */
export type Notice =
  /** A kind of message that this version does not know; the position moves where it can be read. */
  | { readonly notice: "ignored"; readonly name: string; readonly time_us?: number; readonly seq?: number }
  /** `#info`: the server's words about the stream. */
  | { readonly notice: "info"; readonly name: string; readonly message: string }
  /** `error`: the server closes after it. */
  | { readonly notice: "error"; readonly name: string; readonly message: string };

type Json = Record<string, unknown>;

const OPERATIONS: ReadonlySet<unknown> = new Set(["create", "update", "delete"]);
const isText = (x: unknown): x is string => typeof x === "string" && x !== "";
const isObject = (x: unknown): x is Json => typeof x === "object" && x !== null && !Array.isArray(x);
const isPositive = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) > 0;
const bad = (reason: string, why: string) => new PoisonError(reason, `Cannot read event: ${why}`);

/**
 * Reads a message of the v1 wire. `raw` is kept as the event's text, records are not looked into.
 *
 * @throws {PoisonError} `not_json`, or `invalid` for JSON that is no event.
 */
export function parseV1(raw: string, origin: Origin): AtEvent | Notice {
  const v = parseObject(raw);
  const { did, time_us, kind, cursor: seq } = v;
  if (!isDidLike(did)) throw bad("invalid", "it has no did");
  if (!isPositive(time_us)) throw bad("invalid", "time_us is not a positive integer");
  if (seq !== undefined && !isPositive(seq)) throw bad("invalid", "cursor is not a positive integer");
  if (kind === "commit") {
    const commit = checkCommit(v.commit);
    // Plain literals, as this is where every event passes: put together from parts, an object costs ten times as much.
    return seq === undefined
      ? { did, time_us, kind, commit, origin, raw }
      : { did, time_us, seq, kind, commit, origin, raw };
  }
  if (kind !== "identity" && kind !== "account") {
    return { notice: "ignored", name: String(kind), time_us, ...(seq !== undefined && { seq }) };
  }
  const body = checkBody(kind, v[kind]);
  return { did, time_us, ...(seq !== undefined && { seq }), kind, [kind]: body, origin, raw } as unknown as AtEvent;
}

const PREFIX = "network.bsky.jetstream.subscribeEvents#";
const V2_KINDS: ReadonlySet<string> = new Set<Kind>(["commit", "identity", "account", "sync"]);

/**
 * Reads a message of the v2 wire.
 *
 * @throws {PoisonError} `not_json`, `protocol` for an envelope without `$type`, `invalid` for a payload that is no event.
 */
export function parseV2(raw: string, origin: Origin): AtEvent | Notice {
  const envelope = parseObject(raw);
  if (envelope.$type === "error") {
    return { notice: "error", name: String(envelope.error), message: String(envelope.message ?? "") };
  }
  const payload = envelope.payload;
  if (!isText(envelope.$type)) throw bad("protocol", "the envelope has no $type");
  if (envelope.$type !== "message") return { notice: "ignored", name: envelope.$type };
  if (!isObject(payload) || !isText(payload.$type)) throw bad("protocol", "the payload has no $type");
  const name = payload.$type.startsWith(PREFIX) ? payload.$type.slice(PREFIX.length) : payload.$type;
  if (name === "info") return { notice: "info", name: String(payload.name), message: String(payload.message ?? "") };
  const time_us = isText(payload.time) ? microsOf(payload.time) : undefined;
  const seq = isPositive(payload.seq) ? payload.seq : undefined;
  if (!V2_KINDS.has(name)) {
    return { notice: "ignored", name, ...(time_us !== undefined && { time_us }), ...(seq !== undefined && { seq }) };
  }
  const { did } = payload;
  if (!isDidLike(did)) throw bad("invalid", "it has no did");
  if (time_us === undefined || time_us <= 0) throw bad("invalid", "time is not an RFC 3339 time");
  if (seq === undefined) throw bad("invalid", "seq is not a positive integer");
  return { did, time_us, seq, kind: name, [name]: bodyOfV2(name as Kind, payload), origin } as unknown as AtEvent;
}

/** The members in v1's order, so that the text made of them is as v1 would have sent it. */
function bodyOfV2(kind: Kind, payload: Json): Json {
  if (kind !== "commit") return checkBody(kind, payload[kind]);
  const { rev, operation, collection, rkey, record, cid } = payload;
  const commit = {
    rev,
    operation,
    collection,
    rkey,
    ...(record !== undefined && { record }),
    ...(isText(cid) && { cid }),
  };
  checkCommit(commit);
  return commit;
}

function parseObject(raw: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch (cause) {
    throw new PoisonError("not_json", "Cannot read event: it is not JSON", { cause });
  }
  if (!isObject(value)) throw bad("invalid", "it is not an object");
  return value;
}

function isDidLike(did: unknown): did is string {
  return typeof did === "string" && did.startsWith("did:") && did.length <= 2048;
}

function checkCommit(commit: unknown): Commit {
  if (!isObject(commit)) throw bad("invalid", "commit is not an object");
  if (!OPERATIONS.has(commit.operation)) throw bad("invalid", "the operation is not create, update or delete");
  if (!isText(commit.collection)) throw bad("invalid", "commit.collection is not a text");
  if (!isText(commit.rkey)) throw bad("invalid", "commit.rkey is not a text");
  if (!isText(commit.rev)) throw bad("invalid", "commit.rev is not a text");
  if (commit.operation !== "delete" && !isObject(commit.record)) throw bad("invalid", "the record is not an object");
  return commit as unknown as Commit;
}

function checkBody(kind: string, body: unknown): Json {
  if (!isObject(body)) throw bad("invalid", `${kind} is not an object`);
  if (kind === "account" && typeof body.active !== "boolean") throw bad("invalid", "account.active is not a boolean");
  return body;
}
