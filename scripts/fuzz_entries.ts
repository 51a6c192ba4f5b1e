/**
 * Entries of Redis streams, rows of queues, and vectors, for the fuzzer.
 *
 * @module
 */
import { type AnyEvent, toJson } from "../lib/atproto/event.ts";
import { PoisonError } from "../lib/pipeline/errors.ts";
import { recordText } from "../lib/sinks/queue/records.ts";
import { readRow } from "../lib/sources/queue/decode.ts";
import { decodeEntry, rawEntry } from "../lib/sources/redis/decode.ts";
import { decodeVector } from "../lib/transforms/embeddings/codec.ts";
import { vectorCode } from "../lib/transforms/embeddings/test_vectors.ts";
import { streamEntries } from "../lib/transforms/stream_events.ts";
import { commitEvent, labelEvent } from "../tests/support/sqlite.ts";
import { checkEvent } from "./fuzz_files.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const DID = "did:plc:wq4aajammjtxdomz3e23667t";
const TIME = "2026-07-04T14:38:12.000Z";
const ORIGIN = Object.freeze({ source: "firehose", wire: "relay", host: "bsky.network" });
const HEAD = { did: DID, seq: 140, time_us: Date.parse(TIME) * 1000, origin: ORIGIN };
const NAMED = { did: DID, seq: 140, time: TIME };
const EVENTS: readonly AnyEvent[] = [
  { ...commitEvent(1), seq: 1, relay: { time: TIME, commit: "bafyreic" } },
  { ...commitEvent(2, { operation: "delete" }), seq: 2, relay: { time: TIME, commit: "bafyreic" } },
  { ...HEAD, kind: "account", account: { active: false, ...NAMED, status: "takendown" } },
  { ...HEAD, kind: "identity", identity: { ...NAMED, handle: "a.example" } },
  { ...labelEvent(`at://${DID}/app.bsky.feed.post/1`, TIME), seq: 3 },
  { ...HEAD, kind: "repo", repo: { did: DID, rev: "3k", active: false, status: "suspended" } },
];

/** Good entries of both formats: the text of their only field. */
export function entrySamples(): Uint8Array[] {
  const made = (["bsky", "rsky"] as const).flatMap((format) => streamEntries({ format })(EVENTS));
  return made.map(({ value }) => encoder.encode(value));
}

/** The text in each field that an entry can have. It is refused where none of them can be read. */
export function readEntry(input: Uint8Array): void {
  const value = decoder.decode(input);
  let refusal: PoisonError | undefined, read = 0;
  for (const field of ["event", "labels", "repo"]) {
    const message = { stream: "firehose_live", id: "1783175892000-0", fields: ["another", "x", field, value] };
    JSON.parse(toJson(rawEntry(message)));
    try {
      decodeEntry(message).forEach(checkEvent);
      read++;
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      refusal = error;
    }
  }
  if (read === 0) throw refusal;
}

/** Good payloads of rows of a queue. */
export function payloadSamples(): Uint8Array[] {
  const records = EVENTS.map((event) => recordText(event, "2026-07-04-14:38:12"));
  return [`[${records.join(",")}]`, `[${records[0]}]`, "[]"].map((text) => encoder.encode(text));
}

/** Every record of a row becomes an event or is dead. */
export function readPayload(input: Uint8Array): void {
  const payload = decoder.decode(input);
  const { events, poison } = readRow({ id: 1, payload }, ORIGIN);
  events.forEach(checkEvent);
  for (const { detail, raw } of poison) JSON.stringify([detail, raw]);
  let records: unknown;
  try {
    records = JSON.parse(payload);
  } catch {
    records = undefined;
  }
  const count = Array.isArray(records) ? records.length : 1;
  if (events.length + poison.length !== count) throw new Error(`Cannot account for ${count} records`);
  if (poison.length > 0) throw poison[0]!.error;
}

const DIMS = 384;

/** Good vectors. */
export function vectorSamples(): Uint8Array[] {
  const vector = (of: (i: number) => number) => vectorCode(Float32Array.from({ length: DIMS }, (_, i) => of(i)));
  return [vector((i) => Math.sin(i)), vector((i) => i === 7 ? 1e-30 : 0)].map((text) => encoder.encode(text));
}

/** A vector has its length and only numbers, or it is refused. */
export function readVector(input: Uint8Array): void {
  const decoded = decodeVector(decoder.decode(input), DIMS);
  if ("reason" in decoded) throw new PoisonError(decoded.reason, "Cannot use the vector");
  const { vector } = decoded;
  if (vector.length !== DIMS || !vector.every(Number.isFinite)) throw new Error("Cannot use what was decoded");
}
