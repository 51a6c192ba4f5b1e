/**
 * What `deno task fuzz` feeds with hostile input: one entry for each reader of bytes or text that others can send us.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AtEvent, dedupeKey, toJson } from "../lib/atproto/event.ts";
import { weigh } from "../lib/pipeline/batch.ts";
import { makePlan } from "../lib/sources/jetstream/options.ts";
import { openCompressor } from "../lib/net/zstd/compressor.ts";
import { openDecompressor } from "../lib/net/zstd/decompressor.ts";
import { PROBE } from "../lib/net/zstd/node_zlib.ts";
import { Reader } from "../lib/sources/jetstream/reader.ts";
import { Track } from "../lib/sources/jetstream/track.ts";
import type { Wire } from "../lib/sources/jetstream/url.ts";
import {
  labelSamples,
  readLabelFrame,
  readRecord,
  readRelayFrame,
  readRepo,
  recordSamples,
  relaySamples,
  repoSamples,
} from "./fuzz_frames.ts";
import { answerSamples, readAnswer } from "./fuzz_answers.ts";
import { entrySamples, payloadSamples, readEntry, readPayload, readVector, vectorSamples } from "./fuzz_entries.ts";
import {
  archiveSamples,
  megastreamSamples,
  queueSamples,
  readMegastream,
  sqliteSamples,
  useQueue,
  useSqlite,
  useWebhook,
  webhookSamples,
} from "./fuzz_files.ts";
import { IN_PLACE } from "./fuzz_mutators.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { askOps, opsSamples } from "./fuzz_ops.ts";
import { readRecording, recordingSamples } from "./fuzz_recordings.ts";
import { rawPosts, readRows } from "./fuzz_rows.ts";
import { pageSamples, readConnection, readListPage } from "./fuzz_sources.ts";
import {
  configSamples,
  jetstreamStateSamples,
  letterSamples,
  positionSamples,
  processedSamples,
  readConfig,
  readJetstreamState,
  readLetters,
  readPositions,
  readState,
  readStats,
  stateSamples,
  statsSamples,
  useProcessed,
} from "./fuzz_state.ts";

const encoder = new TextEncoder();

const DID = "did:plc:wq4aajammjtxdomz3e23667t";
const RECORD = {
  $type: "app.bsky.feed.post",
  text: "caf\u00e9 \u2028 \ud83e\udd8b",
  langs: ["en"],
  createdAt: "2026-07-04T14:38:08.999Z",
};
const COMMIT = { rev: "3mptbypluud2a", operation: "create", collection: "app.bsky.feed.post", rkey: "3mptbyplj5d2a" };
const V1_MESSAGES = [
  {
    did: DID,
    time_us: 1783175888085434,
    cursor: 7,
    kind: "commit",
    commit: { ...COMMIT, record: RECORD, cid: "bafyrei" },
  },
  { did: DID, time_us: 1783175888085435, kind: "commit", commit: { ...COMMIT, operation: "delete" } },
  {
    did: DID,
    time_us: 1783175888085436,
    kind: "identity",
    identity: { did: DID, seq: 5, time: "2026-07-04T14:38:08Z" },
  },
  { did: DID, time_us: 1783175888085437, kind: "account", account: { active: false, did: DID, status: "deactivated" } },
];
const V2_MESSAGES = [
  ["commit", { ...COMMIT, record: RECORD, cid: "bafyrei", did: DID, seq: 7, time: "2026-07-04T14:38:08.085434Z" }],
  ["sync", { did: DID, seq: 8, sync: { did: DID, rev: "3mptbypluud2a" }, time: "2026-07-04T14:38:08.085435Z" }],
  ["info", { name: "OutdatedCursor", message: "starting at seq 1" }],
].map(([kind, payload]) => ({
  $type: "message",
  payload: { $type: `network.bsky.jetstream.subscribeEvents#${kind}`, ...payload as Record<string, unknown> },
}));
const ERROR_FRAME = { $type: "error", error: "ConsumerTooSlow", message: "reconnect with cursor=8" };

const jsonSamples = (values: readonly unknown[]) => () => values.map((value) => encoder.encode(JSON.stringify(value)));

/** A good message, the hostile one, a good one: both good ones must come out, and whatever came must be counted. */
function readBetweenGoodOnes(wire: Wire, collections: readonly string[], zstd = false) {
  const messages = wire === "v1" ? V1_MESSAGES : V2_MESSAGES;
  const text = JSON.stringify(messages[0]);
  // The second one is later: only behind something new an `#info OutdatedCursor` is a gap.
  const texts = [text, text.replace("085434", "985434")].map((each) => encoder.encode(each));
  let made: Promise<Uint8Array[]> | undefined;
  return async (input: Uint8Array): Promise<void> => {
    made ??= zstd ? compressed(texts) : Promise.resolve(texts);
    const [first, last] = (await made).map((bytes) => Buffer.from(bytes));
    const { decompress } = await decompressor;
    const plan = makePlan({ collections });
    let ignored = 0;
    const origin = Object.freeze({ source: "jetstream", wire, host: "localhost" });
    const on = { onIgnored: () => ignored++, onEnd: () => {}, decompress };
    const reader = new Reader(plan, new Track(plan), origin, { cursor: undefined }, on, Date.now);
    const frames = { data: [first!, Buffer.from(input), last!], binary: [zstd, zstd, zstd] };
    const batches = [...reader.batches(frames)];
    const goodOnes = batches.flatMap((batch) => batch.items).filter((event) => isGood(event)).length;
    const wanted = collections[0] === "all" ? 2 : 0;
    if (goodOnes < wanted) throw new Error(`Cannot find the good events: ${goodOnes} of 2 came out`);
    const silent = ignored + (reader.serverError ? 1 : 0);
    const counted = batches.reduce((sum, batch) => sum + weigh(batch), 0);
    // `#info OutdatedCursor` is a gap, neither an event nor ignored.
    const gaps = batches.flatMap((batch) => batch.gaps ?? []).length;
    if (counted + silent + gaps < 3) {
      throw new Error(`Cannot account for every message: ${counted + silent + gaps} of 3`);
    }
    for (const event of batches.flatMap((batch) => batch.items)) {
      dedupeKey(event);
      JSON.parse(toJson(event));
    }
  };
}

function isGood(event: AtEvent): boolean {
  return event.did === DID && event.kind === "commit" && event.commit.rkey === COMMIT.rkey;
}

/** Frames as a server makes them, and ones without checksum: what spoils those is not found that easily. */
async function zstdSamples(): Promise<Uint8Array[]> {
  const texts = [...V1_MESSAGES, ...V2_MESSAGES].map((message) => JSON.stringify(message));
  const frames = await compressed([...texts, texts.join("").repeat(300)].map((text) => encoder.encode(text)));
  const unchecked = frames.map((frame) => {
    const copy = frame.slice(0, -4);
    copy[4]! &= ~4;
    return copy;
  });
  return [PROBE.frame, ...frames, ...unchecked];
}

async function compressed(messages: readonly Uint8Array[]): Promise<Uint8Array[]> {
  using compressor = await openCompressor({ dictionary: PROBE.dictionary });
  return messages.map((message) => compressor.compress(message));
}

/** 1 MiB is more than any sample has. */
const decompressor = openDecompressor({ dictionaries: [PROBE.dictionary], maxBytes: 1 << 20 });

/** Whatever came before, the next good frame must decode. */
async function readZstd(input: Uint8Array): Promise<void> {
  const { decompress } = await decompressor;
  const checkGood = () => {
    if (decompress(PROBE.frame).toString() !== PROBE.text) throw new Error("Cannot decode the good frame any more");
  };
  try {
    if (decompress(input).length > 1 << 20) throw new Error("Cannot hold the limit: more than 1 MiB came out");
  } catch (error) {
    checkGood();
    throw error;
  }
  checkGood();
}

/** Every target, in the order of a run without names. */
export const TARGETS: readonly FuzzTarget[] = [
  { name: "config", samples: configSamples, run: readConfig },
  { name: "jetstream-v1", samples: jsonSamples(V1_MESSAGES), run: readBetweenGoodOnes("v1", ["all"]) },
  { name: "jetstream-v1-prefilter", samples: jsonSamples(V1_MESSAGES), run: readBetweenGoodOnes("v1", ["a.b.c"]) },
  {
    name: "jetstream-v2",
    samples: jsonSamples([...V2_MESSAGES, ERROR_FRAME]),
    run: readBetweenGoodOnes("v2", ["all"]),
  },
  {
    name: "jetstream-zstd",
    samples: async () => await compressed(jsonSamples(V1_MESSAGES)()),
    run: readBetweenGoodOnes("v1", ["all"], true),
  },
  { name: "position", samples: positionSamples, run: readPositions },
  { name: "zstd", samples: zstdSamples, run: readZstd },
  { name: "jetstream-state", samples: jetstreamStateSamples, run: readJetstreamState },
  { name: "state-file", samples: stateSamples, run: readState },
  { name: "processed-files", samples: processedSamples, run: useProcessed },
  { name: "stats-file", samples: statsSamples, run: readStats },
  { name: "dead-letter", samples: letterSamples, run: readLetters },
  { name: "db-zip", samples: archiveSamples, run: readMegastream },
  { name: "megastream-db", samples: megastreamSamples, run: readMegastream, mutators: IN_PLACE },
  { name: "megastream-row", samples: rawPosts, run: readRows },
  { name: "vector", samples: vectorSamples, run: readVector },
  { name: "relay-frame", samples: relaySamples, run: readRelayFrame },
  { name: "label-frame", samples: labelSamples, run: readLabelFrame },
  { name: "record", samples: recordSamples, run: readRecord },
  { name: "repo", samples: repoSamples, run: readRepo },
  { name: "relay-connection", samples: relaySamples, run: readConnection },
  { name: "list-page", samples: pageSamples, run: readListPage },
  { name: "redis-entry", samples: entrySamples, run: readEntry },
  { name: "queue-row", samples: payloadSamples, run: readPayload },
  { name: "recording", samples: recordingSamples, run: readRecording },
  { name: "sqlite-db", samples: sqliteSamples, run: useSqlite, mutators: IN_PLACE },
  { name: "queue-db", samples: queueSamples, run: useQueue, mutators: IN_PLACE },
  { name: "webhook-db", samples: webhookSamples, run: useWebhook, mutators: IN_PLACE },
  { name: "webhook-answer", samples: answerSamples, run: readAnswer },
  { name: "listen", samples: opsSamples, run: askOps },
];
