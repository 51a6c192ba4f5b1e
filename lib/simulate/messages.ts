/**
 * The frame of an event, as text, on each wire.
 *
 * @module
 */
import type { Wire } from "./store.ts";

/** What every message says. */
export interface MessageHead {
  readonly wire: Wire;
  readonly seq: number;
  readonly did: string;
  /** On v2 RFC 3339 with six fraction digits, on v1 microseconds since 1970. */
  readonly time: string;
}

/** A commit. All texts are JSON-safe. */
export interface CommitParts {
  readonly operation: "create" | "update" | "delete";
  readonly collection: string;
  readonly rkey: string;
  readonly rev: string;
  /** JSON; empty on delete, as `cid` is. */
  readonly record: string;
  readonly cid: string;
}

const ENVELOPE = '{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#';

/** v2 sorts its members, v1 does not. */
export function commitMessage(head: MessageHead, commit: CommitParts): string {
  const { operation, collection, rkey, rev, record, cid } = commit;
  const deletes = operation === "delete";
  if (head.wire !== "v2") {
    const start = `${v1Head(head)}"kind":"commit","commit":{"rev":"${rev}","operation":"${operation}",`;
    const place = `"collection":"${collection}","rkey":"${rkey}"`;
    return deletes ? `${start}${place}}}` : `${start}${place},"record":${record},"cid":"${cid}"}}`;
  }
  const place = `"collection":"${collection}","did":"${head.did}","operation":"${operation}",`;
  const what = deletes ? place : `"cid":"${cid}",${place}"record":${record},`;
  return `${ENVELOPE}commit",${what}"rev":"${rev}","rkey":"${rkey}",${v2Tail(head)}`;
}

/** An identity or account event; `inner` is the JSON of the member of that name. */
export function otherMessage(head: MessageHead, kind: "identity" | "account", inner: string): string {
  if (head.wire !== "v2") return `${v1Head(head)}"kind":"${kind}","${kind}":${inner}}`;
  const did = `"did":"${head.did}"`, member = `"${kind}":${inner}`;
  return `${ENVELOPE}${kind}",${kind === "account" ? `${member},${did}` : `${did},${member}`},${v2Tail(head)}`;
}

function v1Head({ wire, seq, did, time }: MessageHead): string {
  return wire === "v1" ? `{"did":"${did}","time_us":${time},"cursor":${seq},` : `{"did":"${did}","time_us":${time},`;
}

function v2Tail({ seq, time }: MessageHead): string {
  return `"seq":${seq},"time":"${time}"}}`;
}
