/**
 * What `deno task fuzz` feeds with hostile input: one entry for each reader of bytes or text that others can send us.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { parseConfig } from "../cli/kit/config_file.ts";
import { type AtEvent, dedupeKey, toJson } from "../lib/atproto/event.ts";
import { weigh } from "../lib/pipeline/batch.ts";
import { makePlan } from "../lib/sources/jetstream/options.ts";
import { openCompressor } from "../lib/net/zstd/compressor.ts";
import { openDecompressor } from "../lib/net/zstd/decompressor.ts";
import { PROBE } from "../lib/net/zstd/node_zlib.ts";
import { parsePosition } from "../lib/sources/jetstream/position.ts";
import { Reader } from "../lib/sources/jetstream/reader.ts";
import { Track } from "../lib/sources/jetstream/track.ts";
import type { Wire } from "../lib/sources/jetstream/url.ts";
import { fileCheckpoints } from "../lib/state/file_checkpoint.ts";
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
import { rawPosts, readRows } from "./fuzz_rows.ts";
import { pageSamples, readConnection, readListPage } from "./fuzz_sources.ts";

/** A reader of input. */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs, from which the bad ones are made; `run` accepts each. */
  readonly samples: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Reads one input. It may refuse it by a PoisonError or a ConfigError; any other error is a finding. */
  readonly run: (input: Uint8Array) => unknown;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const CONFIG_FILES = [
  'log-level = "debug"\nbatch-size = 500\nquiet = false\ncollections = ["app.bsky.feed.post", "app.bsky.feed.like"]\n',
  '# comment\n[jetstream]\ninstance = ["wss://one.example/subscribe"]\nidle-timeout = "30s"\nshare = 0.25\n\n[replay]\nspeed = 10\n',
  "[jetstream]\nsince = 2026-01-01T00:00:00Z\ntext = '''\nline\n'''\nnested = { a = { b = [1, 2, [3]] } }\n[[jetstream.many]]\nx = 1\n",
];

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

const POSITION = { v: 1, host: "localhost", wire: "v1", time_us: 1783175888085434, seq: 7, recent: ["AAAAAAAA"] };
const STATE_FILES = [
  { last_time_us: POSITION.time_us, updated_at: "2026-07-04T14:38:09Z", cursor: POSITION },
  { last_time_us: POSITION.time_us, updated_at: "2026-07-04T14:38:09Z" },
];

async function loadState(input: Uint8Array): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, input);
    const cursor = await fileCheckpoints(path, { format: "jetstream" }).load("jetstream");
    if (cursor !== undefined) parsePosition(cursor);
  } finally {
    await Deno.remove(path);
  }
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
  {
    name: "toml",
    samples: () => CONFIG_FILES.map((text) => encoder.encode(text)),
    run: (input) => parseConfig("config.toml", decoder.decode(input)),
  },
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
  {
    name: "position",
    samples: jsonSamples([POSITION, POSITION.time_us]),
    run: (input) => parsePosition(decoder.decode(input)),
  },
  { name: "zstd", samples: zstdSamples, run: readZstd },
  { name: "state-file", samples: jsonSamples(STATE_FILES), run: loadState },
  { name: "megastream-row", samples: rawPosts, run: readRows },
  { name: "relay-frame", samples: relaySamples, run: readRelayFrame },
  { name: "label-frame", samples: labelSamples, run: readLabelFrame },
  { name: "record", samples: recordSamples, run: readRecord },
  { name: "repo", samples: repoSamples, run: readRepo },
  { name: "relay-connection", samples: relaySamples, run: readConnection },
  { name: "list-page", samples: pageSamples, run: readListPage },
];
