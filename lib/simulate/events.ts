/**
 * Events of a file, one JSON text a line: v1 messages of any server, or v2 envelopes.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";
import { createTimeTexts } from "./ids.ts";
import type { EventStore, Wants, Wire } from "./store.ts";

/** One event of a file. */
export interface EventLine {
  /** The text as given. */
  readonly text: string;
  /** Which wire `text` belongs to; `legacy`: v1 without `cursor`. */
  readonly wire: Wire;
  /** The event's own number, else its line's. */
  readonly seq: number;
  /** Microseconds since 1970. */
  readonly time_us: number;
  /** `commit`, `identity`, `account`, `sync`, or one that is not known. */
  readonly kind: string;
  /** Whose event it is. */
  readonly did: string;
  /** Empty unless the event is a commit. */
  readonly collection: string;
}

type Json = Record<string, unknown>;

const ENVELOPE = "network.bsky.jetstream.subscribeEvents#";
/** The members of a v2 payload that v1 has inside `commit`, in v1's order. */
const COMMIT_MEMBERS = ["rev", "operation", "collection", "rkey", "record", "cid"] as const;

/**
 * Reads event lines; empty lines and v2's `#info` and error frames are left out.
 *
 * @throws {ConfigError} naming the first line that is not an event.
 */
export function loadEventLines(text: string): EventLine[] {
  return text.split("\n").flatMap((raw, index) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    const event = line.trim() === "" ? undefined : toEventLine(line, index + 1);
    return event ? [event] : [];
  });
}

function toEventLine(text: string, number: number): EventLine | undefined {
  const fail = (why: string) => new ConfigError(`Cannot read event in line ${number}: ${why}`);
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("it is not an object");
  if (value.$type === "error") return undefined;
  const v2 = value.$type === "message";
  const event = (v2 ? value.payload : value) as Json;
  const type = v2 ? String(event?.$type) : `${ENVELOPE}${String(event.kind)}`;
  if (type === `${ENVELOPE}info`) return undefined;
  const time_us = v2 ? fromRfc3339(event?.time) : event.time_us;
  if (!type.startsWith(ENVELOPE) || typeof event.did !== "string") throw fail("it has no kind or no did");
  if (!Number.isSafeInteger(time_us)) throw fail("it has no time");
  const seq = v2 ? event.seq : event.cursor;
  const commit = (v2 ? event : event.commit) as Json | undefined;
  return {
    text,
    wire: v2 ? "v2" : seq === undefined ? "legacy" : "v1",
    seq: typeof seq === "number" ? seq : number,
    time_us: time_us as number,
    kind: type.slice(ENVELOPE.length),
    did: event.did,
    collection: typeof commit?.collection === "string" ? commit.collection : "",
  };
}

/** Microseconds since 1970, also those that `Date` does not know; `undefined` where it is not a time. */
function fromRfc3339(text: unknown): number | undefined {
  const parts = typeof text === "string" ? /^(.{19})(?:\.(\d+))?Z$/.exec(text) : null;
  if (!parts) return undefined;
  return Date.parse(`${parts[1]}Z`) * 1000 + Number((parts[2] ?? "").padEnd(6, "0").slice(0, 6));
}

/** Serves event lines on every wire. */
export function fileEvents(lines: readonly EventLine[], count = 0): EventStore {
  const last = count > 0 ? Math.min(count, lines.length) : lines.length;
  const times = createTimeTexts();
  let sent = 0;
  const at = (position: number) => lines[position - 1]!;
  const first = (is: (line: EventLine) => boolean) => {
    const index = lines.findIndex(is);
    return index < 0 ? lines.length + 1 : index + 1;
  };
  return {
    last,
    live: () => 1, // a recording happens anew for everybody who comes without a position
    seqOf: (position) => at(position).seq,
    timeOf: (position) => lines[position - 1]?.time_us,
    bySeq: (seq) => first((line) => line.seq >= seq),
    byTime: (time_us) => first((line) => line.time_us >= time_us),
    sent: (position) => sent = Math.max(sent, position),
    newestSent: () => sent,
    read(position, wire, wants: Wants | undefined) {
      const line = at(position);
      if (wire !== "v2" && line.kind === "sync") return undefined;
      if (wants && !wants(line.kind, line.did, line.collection)) return undefined;
      return toWire(line, wire, times.rfc3339);
    },
  };
}

function toWire(line: EventLine, wire: Wire, rfc3339: (time_us: number) => string): string {
  if (wire === "v2") return line.wire === "v2" ? line.text : toEnvelope(line, rfc3339);
  if (line.wire === "v2") return toV1(line, wire);
  return wire === "v1" && line.wire === "legacy" ? withCursor(line) : line.text;
}

/** v1's members from a v2 envelope. */
function toV1(line: EventLine, wire: Wire): string {
  const { payload } = JSON.parse(line.text) as { payload: Json };
  const { did, time_us, kind, seq } = line;
  const inner = kind === "commit" ? Object.fromEntries(COMMIT_MEMBERS.map((m) => [m, payload[m]])) : payload[kind];
  return JSON.stringify({ did, time_us, ...(wire === "v1" && { cursor: seq }), kind, [kind]: inner });
}

/** A v2 envelope from v1's members, in the order (the alphabet's) in which servers send them. */
function toEnvelope(line: EventLine, rfc3339: (time_us: number) => string): string {
  const event = JSON.parse(line.text) as Json;
  const inner = line.kind === "commit" ? event.commit as Json : { [line.kind]: event[line.kind] };
  const members = { ...inner, did: line.did, seq: line.seq, time: rfc3339(line.time_us) };
  const sorted = Object.entries(members).sort(([a], [b]) => a < b ? -1 : 1);
  return JSON.stringify({
    $type: "message",
    payload: { $type: `${ENVELOPE}${line.kind}`, ...Object.fromEntries(sorted) },
  });
}

/** Puts `cursor` behind `time_us`, and leaves every other byte as it is where the line begins as servers' lines do. */
function withCursor(line: EventLine): string {
  const head = /^\{"did":"[^"\\]*","time_us":\d+/.exec(line.text)?.[0];
  if (head !== undefined) return `${head},"cursor":${line.seq}${line.text.slice(head.length)}`;
  const { did, time_us, ...rest } = JSON.parse(line.text) as Json;
  return JSON.stringify({ did, time_us, cursor: line.seq, ...rest });
}
