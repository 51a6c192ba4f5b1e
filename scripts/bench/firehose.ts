/**
 * Relay frames over a socket into SQLite, beside a script that was written by hand with the usual libraries, and into a real Redis.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { fullJitter } from "../../lib/pipeline/retry.ts";
import type { Sink } from "../../lib/pipeline/sink.ts";
import { type OpenSink, SINKS } from "../../lib/sinks/registry.ts";
import { redisSink, type StreamFormat } from "../../lib/sinks/redis.ts";
import { DEFAULT_INDEXES } from "../../lib/sinks/sqlite.ts";
import { firehose, type FirehoseOptions } from "../../lib/sources/firehose.ts";
import { redisAt, startRedis } from "../../tests/support/redis.ts";
import { isInstalled } from "../../tests/support/services.ts";
import { type Bench, type BenchServers, type Case, type Goal, type Sample, type Setting, WANTED } from "./bench.ts";
import { FIRST_SEQ } from "./frames.ts";
import { loopEvents } from "./frames_loop.ts";
import { openLog, readMessages, sqliteStore } from "./jetstream_loop.ts";
import { startServer } from "./load.ts";
import { measure } from "./measure.ts";

const SCRIPT = "@atcute script -> sqlite, hashes";

async function servers(): Promise<BenchServers> {
  await using started = new AsyncDisposableStack();
  const { offer: relay } = started.use(await startServer<string>("firehose_server.ts", []));
  const redis = isInstalled("redis") ? started.use(await startRedis()) : undefined;
  const running = started.move();
  return {
    urls: { relay, ...(redis && { redis: redis.url }) },
    notes: [
      "the frames come again and again from another process, each with a number of its own",
      redis ? "Redis is a real server, on the same machine" : "Redis is not installed: scripts/services install redis",
    ],
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
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

async function intoSqlite(setting: Setting, path: string, options: FirehoseOptions): Promise<Sample> {
  const settings = { db: path, table: "events", indexes: DEFAULT_INDEXES, retentionMs: undefined, out: "" };
  await using sink = await SINKS.sqlite.open(settings);
  return await pipe(setting, sink, SINKS.sqlite.defaultBatchSize, options);
}

async function intoRedis(setting: Setting, format: StreamFormat, options: FirehoseOptions): Promise<Sample> {
  const url = setting.servers?.redis;
  if (url === undefined) throw new Error("Redis is not installed: scripts/services install redis");
  const stream = `bench-${crypto.randomUUID()}`;
  using server = await redisAt(Number(new URL(url).port));
  await using sink = await redisSink({ connection: { url }, stream, format, highWaterMark: 0 });
  try {
    return await pipe(setting, sink, SINKS.redis.defaultBatchSize, options);
  } finally {
    await server.command("DEL", stream);
  }
}

async function pipe(
  { servers, events }: Setting,
  sink: Pick<OpenSink, keyof Sink<AnyEvent>>,
  batchSize: number,
  options: FirehoseOptions,
): Promise<Sample> {
  const until = FIRST_SEQ + events - 1;
  const source = firehose({ hosts: [servers!.relay!], alias: "bench", begin: "oldest", until, ...options });
  return await measure(async () => {
    await runPipeline<AnyEvent>({
      source,
      sink,
      batchSize,
      backoff: fullJitter(10),
      timeOf: (event) => event.time_us,
    });
    const { lastSeq } = source.stats.hosts.bench!;
    if (lastSeq !== until) throw new Error(`Cannot count: the last frame was ${lastSeq}`);
    return events;
  });
}

/** A case that writes a file of its own. */
function fileCase(
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

function redisCase(name: string, format: StreamFormat, options: FirehoseOptions, goals: readonly Goal[] = []): Case {
  return { name, goals, run: async (setting) => [await intoRedis(setting, format, options)] };
}

/** `deno task bench firehose` */
export const bench: Bench = {
  name: "firehose",
  brief:
    "Relay frames over a local WebSocket, blocks hashed: into SQLite, beside a script with @atcute/cbor and @atcute/car, and into Redis",
  events: 150_000,
  rounds: 5,
  warmUps: 1,
  timeoutMs: 120_000,
  servers,
  cases: () => {
    const library = (options: FirehoseOptions) => (setting: Setting, path: string) =>
      intoSqlite(setting, path, options);
    return [
      fileCase(SCRIPT, runScript),
      fileCase("pipeline -> sqlite, --verify blocks", library({}), [{ figure: "ratio", atLeast: 1 }]),
      fileCase("pipeline -> sqlite, --verify none", library({ verify: "none" })),
      fileCase("pipeline -> sqlite, one collection", library({ collections: [WANTED], kinds: ["commit"] }), [
        { figure: "rate", atLeast: 100_000 },
      ]),
      redisCase("pipeline -> redis, --verify blocks", "bsky", {}, [{ figure: "rate", atLeast: 35_000 }]),
      redisCase("pipeline -> redis, --verify none", "bsky", { verify: "none" }, [{ figure: "rate", atLeast: 45_000 }]),
      redisCase("pipeline -> redis, rsky, --verify none", "rsky", { verify: "none" }),
    ];
  },
};
