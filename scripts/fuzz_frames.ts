/**
 * Frames of relays and labelers, and records, for the fuzzer.
 *
 * @module
 */
import { readCar } from "../lib/atproto/car.ts";
import { decodeCommit } from "../lib/atproto/commit.ts";
import { type AnyEvent, dedupeKey, KINDS, toJson } from "../lib/atproto/event.ts";
import { seqOf, splitFrame } from "../lib/atproto/frame.ts";
import { frameEvents } from "../lib/atproto/frame_events.ts";
import { decodeLabelMessage, labelEvents } from "../lib/atproto/label.ts";
import { walk } from "../lib/atproto/mst.ts";
import { recordJson } from "../lib/atproto/record.ts";
import { decodeRepoMessage } from "../lib/atproto/repo_message.ts";
import { carOf, cidOf, commitBody, DID, encode, messageFrame, REV, TIME } from "../lib/atproto/test_frames.ts";

const ORIGIN = Object.freeze({ source: "firehose", wire: "relay", host: "localhost" });
const HEAD = { seq: 7, did: DID, time: TIME };
const CID = cidOf(encode("x"));
const RECORDS = [
  { $type: "app.bsky.feed.post", text: "caf\u00e9 \u2028 \ud83e\udd8b", langs: ["en"], createdAt: TIME },
  { $type: "a.b.c", list: [1, -70_000, 1.5, null, true, [[{}]]], bytes: Uint8Array.of(1, 2, 255), link: CID },
];
const COMMIT = commitBody([
  ...RECORDS.map((record) => ({ record })),
  { action: "delete", path: "app.bsky.feed.like/3mptbyplj5d2a" },
]);

/** Copies that are no `Buffer`s: `slice` of those would share their memory with the spoiled inputs. */
const plain = (samples: readonly Uint8Array[]): Uint8Array[] => samples.map((sample) => Uint8Array.from(sample));

/** Good records. */
export const recordSamples = (): Uint8Array[] => plain(RECORDS.map(encode));

/** Good frames of a relay. */
export function relaySamples(): Uint8Array[] {
  return plain([
    messageFrame("#commit", COMMIT),
    messageFrame("#sync", { ...HEAD, rev: REV, blocks: commitBody([]).blocks }),
    messageFrame("#identity", { ...HEAD, handle: "alice.test" }),
    messageFrame("#account", { ...HEAD, active: false, status: "deactivated" }),
    messageFrame("#info", { name: "OutdatedCursor", message: "x" }),
    messageFrame("#handle", { ...HEAD, handle: "alice.test" }),
  ]);
}

/** Good frames of a labeler. */
export function labelSamples(): Uint8Array[] {
  const label = { src: DID, uri: `at://${DID}/app.bsky.feed.post/1`, val: "spam", cts: TIME };
  const labels = [label, { ...label, ver: 1, neg: true, exp: TIME, sig: new Uint8Array(64) }];
  return plain([messageFrame("#labels", { seq: 7, labels }), messageFrame("#labels", { seq: 8, labels: [] })]);
}

/** A good repo: one commit, one node of the tree, one record. */
export function repoSamples(): Uint8Array[] {
  const [record] = recordSamples() as [Uint8Array];
  const key = new TextEncoder().encode("app.bsky.feed.post/3mptbyplj5d2a");
  const node = encode({ e: [{ k: key, p: 0, t: null, v: cidOf(record) }], l: null });
  const commit = encode({ did: DID, rev: REV, sig: new Uint8Array(64), data: cidOf(node), prev: null, version: 3 });
  return plain([carOf(cidOf(commit), [commit, node, record])]);
}

/** A frame of a relay, with and without a look at the hashes. What is rejected must be fit for the dead letter. */
export function readRelayFrame(input: Uint8Array): void {
  const frame = splitFrame(input);
  if (frame.kind !== "message") return;
  seqOf(frame.body);
  const message = decodeRepoMessage(frame.type, frame.body);
  if (message === undefined || message.type === "#info") return;
  for (const verify of ["none", "blocks"] as const) {
    const filter = { kinds: new Set(KINDS) };
    const { events, rejected } = frameEvents(message, { origin: ORIGIN, filter, verify, now: Date.now });
    const ops = message.type === "#commit" ? message.ops.length : 1;
    if (events.length + rejected.length !== ops) throw new Error(`Cannot account for ${ops} operations`);
    for (const { detail } of rejected) JSON.stringify(detail);
    events.forEach(check);
  }
}

/** A frame of a labeler. */
export function readLabelFrame(input: Uint8Array): void {
  const frame = splitFrame(input);
  if (frame.kind !== "message") return;
  const message = decodeLabelMessage(frame.type, frame.body);
  if (message?.type !== "#labels") return;
  const { events, rejected } = labelEvents(message, { origin: ORIGIN, now: Date.now });
  if (events.length + rejected.length !== message.labels.length) throw new Error("Cannot account for every label");
  events.forEach(check);
}

function check(event: AnyEvent): void {
  dedupeKey(event);
  JSON.parse(toJson(event));
  if (!Number.isFinite(event.time_us)) throw new Error("Cannot use the time of an event");
}

/** A record alone. */
export function readRecord(input: Uint8Array): void {
  JSON.parse(JSON.stringify(recordJson(input)));
}

/** A whole repo, down to its records. */
export function readRepo(input: Uint8Array): void {
  const car = readCar(input);
  const commit = car.find(car.root.bytes);
  if (commit === undefined) return;
  for (const { cid } of walk(car, decodeCommit(commit).data)) {
    const block = car.find(cid.bytes);
    if (block !== undefined) recordJson(block);
  }
}
