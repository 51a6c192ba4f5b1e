/**
 * What runs keep for the next one, and what users write: positions, state files, the dead letter, the configuration. For the fuzzer.
 *
 * @module
 */
import { parseConfig } from "../cli/kit/config_file.ts";
import { checkFile } from "../cli/kit/file_keys.ts";
import { globalOptions } from "../cli/options/global.ts";
import { registry } from "../cli/registry.ts";
import { loadStats } from "../lib/ops/stats_file.ts";
import { ConfigError, PoisonError } from "../lib/pipeline/errors.ts";
import { Decoder, whyItStays } from "../lib/sources/dead_letters/decode.ts";
import { formatPosition, parsePosition } from "../lib/sources/jetstream/position.ts";
import { loadPositions, rememberedBy } from "../lib/sources/jetstream/race_positions.ts";
import { Place } from "../lib/sources/live/place.ts";
import { megastreamFile } from "../lib/sources/megastream/file_source.ts";
import { megastreamName, megastreamTime } from "../lib/sources/megastream/name.ts";
import { formatPlace, parsePlace } from "../lib/sources/replay/place.ts";
import { openSnapshot } from "../lib/state/dead_letter_reader.ts";
import { fileCheckpoints } from "../lib/state/file_checkpoint.ts";
import { openProcessedFiles } from "../lib/state/processed_files.ts";
import { checkEvent, megastreamSamples, withFile } from "./fuzz_files.ts";
import { rawPosts } from "./fuzz_rows.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const samples = (values: readonly unknown[]) => values.map((value) => encoder.encode(JSON.stringify(value)));

/** Runs all of them; refused is what all of them refuse. */
async function any(...readers: readonly (() => unknown)[]): Promise<void> {
  let refusal: unknown, read = 0;
  for (const reader of readers) {
    try {
      await reader();
      read++;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      refusal = error;
    }
  }
  if (read === 0) throw refusal;
}

const POSITION = { v: 1, host: "localhost", wire: "v1", time_us: 1783175888085434, seq: 7, recent: ["AAAAAAAA"] };
const RACED = { ...POSITION, race: true, recent_since: 1783175880000000 };

/** Good positions of all sources. */
export function positionSamples(): Uint8Array[] {
  const replayed = { v: 1, loop: 1, file: 2, entry: 3, size: 4 };
  const texts = [POSITION, RACED, POSITION.time_us, replayed, { ...replayed, done: true }, 31527015322, "end"];
  return texts.map((each) => encoder.encode(typeof each === "string" ? each : JSON.stringify(each)));
}

/** What a source accepts as a position means the same when it is saved again; no source begins anew for one that it cannot read. */
export async function readPositions(input: Uint8Array): Promise<void> {
  const cursor = decoder.decode(input);
  const sameAgain = <T>(parse: (text: string) => T, format: (value: T) => string) => {
    const text = format(parse(cursor));
    if (format(parse(text)) !== text) throw new Error(`Cannot keep the position: ${text}`);
  };
  await any(
    () => sameAgain(parsePosition, formatPosition),
    async () => rememberedBy((await loadPositions(["a", "b"], { cursor, load: () => Promise.resolve(cursor) })).saved),
    () => sameAgain(parsePlace, formatPlace),
    () => {
      const place = new Place({ source: "firehose", host: "localhost", begin: "live" });
      place.start(cursor);
      if (!Number.isSafeInteger(place.ask())) throw new Error("Cannot ask for that position: it begins anew");
    },
    () => readBehind(cursor),
  );
}

let database: Uint8Array | undefined;

function readBehind(cursor: string): Promise<void> {
  database ??= megastreamSamples()[1]!;
  return withFile(database, async (path) => {
    await Array.fromAsync(megastreamFile({ path, name: "x.db", fileTimeUs: 1 }).open({ cursor }));
  });
}

const UPDATED = "2026-07-04T14:38:09Z";

/** Good state files of Jetstream. */
export const jetstreamStateSamples = (): Uint8Array[] =>
  samples([
    { last_time_us: POSITION.time_us, updated_at: UPDATED, cursor: POSITION },
    { last_time_us: POSITION.time_us, updated_at: UPDATED },
    {
      last_time_us: POSITION.time_us,
      updated_at: UPDATED,
      cursor: RACED,
      cursors: { "jetstream:a": JSON.stringify(RACED) },
      state: "done",
    },
  ]);

/** A file that is there has a position, or is refused: a run must never begin anew for one that cannot be read. */
export async function readJetstreamState(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => {
    const file = fileCheckpoints(path, { format: "jetstream" });
    const cursor = await file.load("jetstream");
    if (cursor !== undefined) parsePosition(cursor);
    else if ((await file.list()).length === 0) throw new Error("Cannot find a position: the run would begin anew");
  });
}

/** Good state files of the other sources. */
export const stateSamples = (): Uint8Array[] =>
  samples([
    { updated_at: UPDATED, cursors: { "firehose_live:cursor:bsky.network": "31527015322", b: "!done" }, done: ["b"] },
    { updated_at: UPDATED, cursors: {} },
  ]);

/** What is not refused can be saved, and keeps what was not touched. */
export async function readState(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => {
    const options = { format: "cursors" } as const;
    const file = fileCheckpoints(path, options);
    const before = (await file.list()).filter(({ key }) => key !== "another");
    await file.save("another", "7");
    const after = (await fileCheckpoints(path, options).list()).filter(({ key }) => key !== "another");
    const short = (rows: typeof before) => JSON.stringify(rows.map(({ key, cursor, state }) => [key, cursor, state]));
    if (short(before) !== short(after)) throw new Error(`Cannot keep ${short(before)}: it is ${short(after)} now`);
  });
}

const FILE = "mega_jetstream_20250909_204500.db.zip";

/** Good states of files. */
export const processedSamples = (): Uint8Array[] =>
  samples([
    [
      { filename: "mega_jetstream_20250909_200000.db.zip", status: "low_water", timestamp: UPDATED },
      { filename: FILE, status: "processed", timestamp: UPDATED, size: 7, mtime: UPDATED },
      { filename: "other.db", status: "partial", timestamp: UPDATED, last_row: 5, attempts: 1 },
    ],
    { last_time_us: 1757450700000000 },
  ]);

/** What is not refused can be used and saved. */
export async function useProcessed(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => {
    const files = await openProcessedFiles(path, { timeOf: megastreamTime, nameOf: megastreamName });
    files.figures();
    files.unfinished();
    const file = { name: FILE, timeUs: 1757450700000000, size: 8, modifiedMs: 1757450700000 };
    files.isProcessed(file);
    await files.begin(file);
    await files.flush();
    await openProcessedFiles(path, { timeOf: megastreamTime, nameOf: megastreamName });
  });
}

/** Good figures of `/stats`. */
export const statsSamples = (): Uint8Array[] =>
  samples([{ cursor: 7, totalReceived: 8, eventCounts: { "app.bsky.feed.like": 8 }, lastEventTime: UPDATED }]);

/** They decide nothing, so that none are refused: what cannot be read is as none. */
export async function readStats(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => void await loadStats(path));
}

const LETTER = { at: UPDATED, command: "jetstream", key: "jetstream", reason: "not_json", error: "Cannot read it" };
const [ROW] = rawPosts();

/** Good dead letters: entries of several stages, and a mark. */
export function letterSamples(): Uint8Array[] {
  const from = { ...LETTER, stage: "source", host: "localhost" };
  const commit = {
    did: "did:plc:a",
    time_us: POSITION.time_us,
    kind: "account",
    account: { active: true, did: "did:plc:a" },
  };
  const lines = [
    { id: "01A", ...from, wire: "v1", text: JSON.stringify(commit) },
    { id: "01B", ...from, wire: "v2", base64: btoa("x") },
    { id: "01C", ...LETTER, stage: "webhook", event: JSON.stringify(commit) },
    { id: "01D", ...from, wire: "relay", base64: btoa("\xa1\x61a\x01"), op: 0 },
    {
      id: "01E",
      ...from,
      wire: "row",
      at_uri: "at://did:plc:a/a.b.c/d",
      did: "did:plc:a",
      raw_post: decoder.decode(ROW),
    },
    { id: "01F", ...from, wire: "queue", text: "{}" },
    { mark: "01B", state: "retried", at: UPDATED },
  ];
  return [lines, lines.slice(0, 1)].map((each) =>
    encoder.encode(each.map((line) => `${JSON.stringify(line)}\n`).join(""))
  );
}

/** Lists a dead letter and decodes what it has, as `dead-letter retry` does. */
export async function readLetters(input: Uint8Array): Promise<void> {
  await withFile(input, async (path) => {
    using letters = await openSnapshot(path);
    using decoder = new Decoder({});
    for await (const { entry } of letters.entries({ all: true })) {
      if (whyItStays(entry) !== undefined) continue;
      try {
        (await decoder.decode(entry)).events.forEach(checkEvent);
      } catch (error) {
        if (!(error instanceof PoisonError)) throw error;
      }
    }
  });
}

const CONFIG_FILES = [
  'log-level = "debug"\nbatch-size = 500\nquiet = false\ncollections = ["app.bsky.feed.post", "app.bsky.feed.like"]\n',
  '# comment\n[jetstream]\ninstance = ["wss://one.example/subscribe"]\nidle-timeout = "30s"\n\n[replay]\nspeed = 10\n',
  '[jetstream]\nstart-timestamp = 2026-01-01T00:00:00Z\nwhere = """\nevent.kind == "commit"\n"""\n[firehose]\nshutdown-timeout = "5s"\n',
];

/** Good configuration files. */
export const configSamples = (): Uint8Array[] => CONFIG_FILES.map((text) => encoder.encode(text));

/** Reads a configuration file and every option of every command in it, as `config check` does. Files that it names are not there. */
export async function readConfig(input: Uint8Array): Promise<void> {
  const file = await parseConfig("config.toml", decoder.decode(input));
  const [fault, ...faults] = await checkFile(file, globalOptions, registry, (path) => {
    throw new Deno.errors.NotFound(path);
  });
  if (fault !== undefined) throw new ConfigError([fault, ...faults]);
}
