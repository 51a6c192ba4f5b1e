/**
 * Documents into an Elasticsearch that answers at once and into a real one: the library beside a loop that was written by hand.
 *
 * @module
 */
import { elasticsearchClient, startElasticsearch } from "../../tests/support/elasticsearch.ts";
import { isInstalled } from "../../tests/support/services.ts";
import type { Bench, BenchServers, Case, Goal, Sample, Setting } from "./bench.ts";
import { loopJetstream, type LoopTarget, loopVectors, type VectorPost } from "./elasticsearch_loop.ts";
import { openSink, pipeJetstream, type PipelineTarget, pipeVectors } from "./elasticsearch_pipeline.ts";
import { startLoad, startServer } from "./load.ts";
import { measure } from "./measure.ts";
import { whole } from "./rows.ts";

/** Documents that are ten times as long take so much longer that there are only so many. */
const VECTOR_SHARE = 0.25;
const DIMENSIONS = 384;
/** Vectors that are distinct; more would only need memory. */
const VECTORS = 1000;

/** Documents of one run of the warm-up. */
const WARM_UP_EVENTS = 200_000;
/** A run that takes more than this share of the fastest one is not faster. */
const FASTER = 0.95;
/** A server is quiet when it uses less than this share of a core for as many milliseconds. */
const QUIET_SHARE = 0.1, QUIET_MS = 500;

const RATE: Goal = { figure: "rate", atLeast: 100_000 };
const OF_REAL: Goal = { figure: "ratio", atLeast: 0.95 };
const VECTOR_RATE: Goal = { figure: "rate", atLeast: 35_000 };

/** What differs between the cases. */
interface Row extends Omit<Case, "run"> {
  readonly by: "loop" | "pipeline";
  readonly into: "instant" | "real";
  /** Documents of a bulk. */
  readonly size: number;
  /** Posts with vectors in place of Jetstream's events; `halves`: their numbers are exact as float16. */
  readonly vectors?: "halves" | "floats";
}

const ROWS: readonly Row[] = [
  { name: "loop -> at once, 1,000 a bulk", by: "loop", into: "instant", size: 1000 },
  {
    name: "pipeline -> at once, 1,000 a bulk",
    by: "pipeline",
    into: "instant",
    size: 1000,
    reference: "loop -> at once, 1,000 a bulk",
    goals: [RATE],
  },
  {
    name: "pipeline -> at once, 100 a bulk",
    by: "pipeline",
    into: "instant",
    size: 100,
    reference: "loop -> at once, 1,000 a bulk",
    goals: [RATE],
  },
  { name: "loop -> real, 1,000 a bulk", by: "loop", into: "real", size: 1000 },
  {
    name: "pipeline -> real, 1,000 a bulk",
    by: "pipeline",
    into: "real",
    size: 1000,
    reference: "loop -> real, 1,000 a bulk",
    goals: [OF_REAL],
  },
  { name: "vectors: loop -> at once", by: "loop", into: "instant", size: 500, vectors: "halves" },
  {
    name: "vectors: pipeline -> at once",
    by: "pipeline",
    into: "instant",
    size: 500,
    vectors: "halves",
    reference: "vectors: loop -> at once",
    goals: [VECTOR_RATE],
  },
  {
    name: "vectors, any float32: pipeline -> at once",
    by: "pipeline",
    into: "instant",
    size: 500,
    vectors: "floats",
    reference: "vectors: loop -> at once",
  },
];

async function run(row: Row, { events, load, servers }: Setting): Promise<Sample[]> {
  const url = servers?.[row.into];
  if (url === undefined) throw new Error("Elasticsearch is not installed: scripts/services install elasticsearch");
  const target: PipelineTarget = {
    url,
    prefix: `bench-${crypto.randomUUID()}-`,
    size: row.size,
    concurrency: 4,
    setup: row.into === "real" ? "auto" : "off",
  };
  const count = Math.ceil(events * (row.vectors ? VECTOR_SHARE : 1));
  const posts = row.vectors ? vectorPosts(count, row.vectors) : [];
  // Also for the loop: it makes the indices, which are the same for both.
  await using sink = await openSink(target, posts);
  if (row.into === "real") await quiet(url);
  try {
    return [
      await measure(() => {
        if (row.by === "loop") return loop(row, load!.url, count, posts, target);
        return row.vectors ? pipeVectors(posts, sink, target) : pipeJetstream(load!.url, count, sink, target);
      }),
    ];
  } finally {
    if (row.into === "real") await elasticsearchClient(url).json("DELETE", `/${target.prefix}*`);
  }
}

function loop({ vectors }: Row, url: string, count: number, posts: readonly VectorPost[], target: LoopTarget) {
  return vectors ? loopVectors(posts, target) : loopJetstream(url, count, target);
}

/** Distinct posts; their vectors have the length 1, as those of language models do. */
function vectorPosts(count: number, kind: "halves" | "floats"): VectorPost[] {
  const vectors = Array.from({ length: VECTORS }, () => {
    const numbers = Float32Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5);
    const length = Math.hypot(...numbers);
    return numbers.map((number) => kind === "halves" ? Math.f16round(number / length) : number / length);
  });
  const start = Date.now() * 1000 - count;
  return Array.from({ length: count }, (_, i) => {
    const did = `did:plc:${String(i % 5000).padStart(24, "a")}`;
    const uri = `at://${did}/app.bsky.feed.post/3bench${i.toString(32)}`;
    const text = `Post number ${i}, of about as many words as people write when they have something to say`;
    return { uri, did, text, time_us: start + i, vector: vectors[i % VECTORS]! };
  });
}

/** Waits until a server has nothing more to do for those who used it before. */
async function quiet(url: string): Promise<void> {
  const cpuMs = async (): Promise<number> => {
    const { nodes } = await elasticsearchClient(url).json("GET", "/_nodes/_local/stats/process");
    return Object.values<{ process: { cpu: { total_in_millis: number } } }>(nodes)[0]!.process.cpu.total_in_millis;
  };
  for (let before = -Infinity, now = await cpuMs(); now - before > QUIET_MS * QUIET_SHARE; now = await cpuMs()) {
    before = now;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

/**
 * Has a server compile itself: a fresh one takes a quarter of what it does after some millions of documents. Loop and pipeline in turn, as
 * often as they get faster by it. Answers with the number of documents.
 */
async function warmUp(url: string): Promise<number> {
  await using server = await startLoad(WARM_UP_EVENTS);
  const setting = { events: WARM_UP_EVENTS, folder: "", load: server.load, servers: { real: url } };
  let documents = 0, best = Infinity;
  for (let slower = 0; slower < 2;) {
    let ms = 0;
    for (const row of ROWS.filter(({ into }) => into === "real")) {
      for (const sample of await run(row, setting)) {
        ms += sample.ms;
        documents += sample.items;
      }
    }
    slower = ms > best * FASTER ? slower + 1 : 0;
    best = Math.min(best, ms);
  }
  return documents;
}

async function startServers(): Promise<BenchServers> {
  const stack = new AsyncDisposableStack();
  const instant = stack.use(await startServer<{ url: string }>("elasticsearch_server.ts", []));
  const given = Deno.env.get("BSKYINGEST_TEST_ELASTICSEARCH_URL");
  const own = given === undefined && isInstalled("elasticsearch")
    ? stack.use(await startElasticsearch({ heap: "1g" }))
    : undefined;
  const real = given ?? own?.url;
  return {
    urls: { instant: instant.offer.url, ...(real !== undefined && { real }) },
    notes: [real === undefined ? "no real Elasticsearch" : await describeReal(real)],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function describeReal(url: string): Promise<string> {
  const { version } = await elasticsearchClient(url).json("GET", "/");
  return `real: Elasticsearch ${version.number} on the same cores, after ${whole(await warmUp(url))} other documents`;
}

/** `deno task bench elasticsearch` */
export const bench: Bench = {
  name: "elasticsearch",
  brief: "Documents into an Elasticsearch that answers at once and a real one, with and without vectors, beside a loop",
  events: 200_000,
  rounds: 5,
  warmUps: 1,
  load: (events) => events,
  servers: startServers,
  timeoutMs: 120_000,
  cases: () => ROWS.map((row) => ({ ...row, run: (setting: Setting) => run(row, setting) })),
};
