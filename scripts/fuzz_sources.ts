/**
 * Connections to relays and pages of lists, for the fuzzer.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AtEvent, type Kind, KINDS, toJson } from "../lib/atproto/event.ts";
import { commitBody, DID, messageFrame } from "../lib/atproto/test_frames.ts";
import { weigh } from "../lib/pipeline/batch.ts";
import { TransientError } from "../lib/pipeline/errors.ts";
import { repoProtocol } from "../lib/sources/firehose/protocol.ts";
import { readPage } from "../lib/sources/list_repos/page.ts";
import { Place } from "../lib/sources/live/place.ts";
import { Reader } from "../lib/sources/live/reader.ts";
import { noHostStats } from "../lib/sources/live/protocol.ts";

const ORIGIN = Object.freeze({ source: "firehose", wire: "relay", host: "localhost" });
const commit = (seq: number) => Buffer.from(messageFrame("#commit", commitBody([{ record: { text: "x" } }], { seq })));
const FIRST = commit(6), NEXT = commit(2 ** 53 - 1);

/**
 * A good frame, the hostile one, a good one with the highest number: both good ones must come out, unless the hostile one has that number
 * itself or ends the connection, and whatever else came must be counted.
 */
export function readConnection(input: Uint8Array): void {
  const kinds: ReadonlySet<Kind> = new Set(KINDS);
  const place = new Place({ source: "firehose", host: "localhost", begin: "oldest" });
  place.start(undefined);
  place.ask();
  let ignored = 0;
  const stats = noHostStats();
  const reader = new Reader({
    protocol: repoProtocol({ filter: { kinds }, verify: "blocks", now: Date.now, handles: true }),
    plan: { strict: false, until: Infinity, onFutureCursor: "stop" },
    place,
    origin: ORIGIN,
    key: "k",
    stats,
    onIgnored: () => ignored++,
  });
  const batches = [...reader.batches({ data: [FIRST, Buffer.from(input), NEXT], binary: [true, true, true] })];
  const seqs = batches.flatMap(({ items }) => items).map((event) => (event as AtEvent).seq);
  if (seqs[0] !== 6) throw new Error("Cannot find the first good event");
  if (reader.over === undefined && place.seq !== 2 ** 53 - 1) {
    throw new Error(`Cannot go on: the position is ${place.seq}`);
  }
  if (seqs.some((seq, i) => i > 0 && seq! < seqs[i - 1]!)) throw new Error("Cannot hold the order of the numbers");
  const weight = batches.reduce((sum, batch) => sum + weigh(batch), 0);
  const frames = Object.values(stats.frames).reduce((sum, n) => sum + n, 0);
  if (frames + ignored + weight < 3) throw new Error("Cannot account for every frame");
  for (const event of batches.flatMap(({ items }) => items)) JSON.parse(toJson(event));
}

const PAGES = [
  { repos: [{ did: DID, head: "bafyrei", rev: "3mptbypluud2a", active: true }, { did: "x" }, null], cursor: "36724" },
  { repos: [{ did: DID, rev: "", active: false, status: "takendown" }], cursor: `1730000000000::${DID}` },
  { repos: [] },
];

/** Good pages. */
export const pageSamples = (): Uint8Array[] => PAGES.map((page) => new TextEncoder().encode(JSON.stringify(page)));

/** Each entry of a page becomes an event or is dead; what is no page is asked for again. */
export function readListPage(input: Uint8Array): void {
  try {
    const page = readPage(new TextDecoder().decode(input), ORIGIN, "1", 0);
    if (page.events.length + page.poison.length !== page.entries) throw new Error("Cannot account for every entry");
    for (const event of page.events) JSON.parse(toJson(event));
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
  }
}
