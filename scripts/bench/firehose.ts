/**
 * Relay frames over a socket into SQLite: the library beside a script that was written by hand with the usual libraries.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import { SINKS } from "../../lib/sinks/registry.ts";
import { DEFAULT_INDEXES } from "../../lib/sinks/sqlite.ts";
import { firehose, type FirehoseOptions } from "../../lib/sources/firehose.ts";
import { type Bench, type BenchServers, type Case, type Goal, type Sample, type Setting, WANTED } from "./bench.ts";
import { FIRST_SEQ } from "./frames.ts";
import { loopEvents } from "./frames_loop.ts";
import { openLog, readMessages, sqliteStore } from "./jetstream_loop.ts";
import { startServer } from "./load.ts";
import { measure } from "./measure.ts";

const SCRIPT = "@atcute script -> sqlite, hashes";

async function servers(): Promise<BenchServers> {
  const server = await startServer<string>("firehose_server.ts", []);
  return {
    urls: { relay: server.offer },
    notes: ["the frames come again and again from another process, each with a number of its own"],
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Ends behind the last frame that is to be read. */
async function runScript({ servers, events }: Setting, path: string): Promise<Sample> {
  using db = openLog(path, DEFAULT_INDEXES);
  const store = sqliteStore(db, 1);
  return await measure(async () => {
    let count = 0;
    await readMessages(`${servers!.relay}/xrpc/com.atproto.sync.subscribeRepos?cursor=0`, (frame) => {
      loopEvents(frame, true, (message, text) => store.add(message, text));
      return ++count >= events;
    });
    store.finish();
    return count;
  });
}

async function runLibrary({ servers, events }: Setting, path: string, options: FirehoseOptions): Promise<Sample> {
  const settings = { db: path, table: "events", indexes: DEFAULT_INDEXES, retentionMs: undefined, out: "" };
  await using sink = await SINKS.sqlite.open(settings);
  const until = FIRST_SEQ + events - 1;
  const source = firehose({ hosts: [servers!.relay!], alias: "bench", begin: "oldest", until, ...options });
  return await measure(async () => {
    await runPipeline<AnyEvent>({
      source,
      sink,
      batchSize: SINKS.sqlite.defaultBatchSize,
      backoff: fullJitter(10),
      timeOf: (event) => event.time_us,
    });
    const { lastSeq } = source.stats.hosts.bench!;
    if (lastSeq !== until) throw new Error(`Cannot count: the last frame was ${lastSeq}`);
    return events;
  });
}

function caseOf(
  name: string,
  run: (setting: Setting, path: string) => Promise<Sample>,
  goals: readonly Goal[] = [],
): Case {
  return {
    name,
    goals,
    ...(name !== SCRIPT && { reference: SCRIPT }),
    async run(setting) {
      const path = `${setting.folder}/${crypto.randomUUID()}.db`;
      const sample = await run(setting, path);
      await Deno.remove(path);
      return [sample];
    },
  };
}

/** `deno task bench firehose` */
export const bench: Bench = {
  name: "firehose",
  brief:
    "Relay frames over a local WebSocket into SQLite, blocks hashed, beside a script with @atcute/cbor and @atcute/car",
  events: 150_000,
  rounds: 5,
  warmUps: 1,
  timeoutMs: 120_000,
  servers,
  cases: () => {
    const library = (options: FirehoseOptions) => (setting: Setting, path: string) =>
      runLibrary(setting, path, options);
    return [
      caseOf(SCRIPT, runScript),
      caseOf("pipeline -> sqlite, --verify blocks", library({}), [{ figure: "ratio", atLeast: 1 }]),
      caseOf("pipeline -> sqlite, --verify none", library({ verify: "none" })),
      caseOf("pipeline -> sqlite, one collection", library({ collections: [WANTED], kinds: ["commit"] }), [
        { figure: "rate", atLeast: 100_000 },
      ]),
    ];
  },
};
