/**
 * What it costs a run that somebody looks on.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { startOps } from "../../lib/ops/ops.ts";
import { recentErrors } from "../../lib/ops/recent_errors.ts";
import { createCounters } from "../../lib/pipeline/counters.ts";
import { runPipeline } from "../../lib/pipeline/pipeline.ts";
import { nullSink } from "../../lib/sinks/null.ts";
import { jetstream } from "../../lib/sources/jetstream/jetstream.ts";
import type { Bench, Case, Sample, Setting } from "./bench.ts";
import { startServer } from "./load.ts";
import { measure } from "./measure.ts";

const ALONE = "nobody looks on";
/** Requests a second. */
const RATE = 100;

/** @param rate Requests a second; undefined: no server at all. */
async function runRow({ load, folder }: Setting, rate: number | undefined): Promise<Sample[]> {
  const key = crypto.randomUUID(); // with figures of its own
  // A disk's moods are larger than what is measured here.
  await using sink = nullSink();
  const source = jetstream({ url: load!.url, alias: "bench", key: "bench", collections: ["all"] });
  const counters = createCounters();
  await using resources = new AsyncDisposableStack();
  const ops = rate === undefined ? undefined : resources.use(
    await startOps({
      address: { hostname: "127.0.0.1", port: 0 },
      token: undefined,
      hosts: [],
      insecure: false,
      legacyMetrics: true,
      errors: recentErrors(() => ""),
      folders: [folder],
    }),
  );
  const watch = await ops?.watch({
    command: "jetstream",
    source: "bench",
    sink: "null",
    stream: undefined,
    key,
    counters,
    stats: source.stats,
    live: true,
    limits: { inFlight: 10_000, batch: 1000, writes: 1 },
    startedAt: Date.now(),
    gaps: `${folder}/gaps.db`,
    stateFolder: folder,
  });
  watch?.begun();
  if (ops && rate! > 0) {
    const client = await startServer("ops_client.ts", [`http://127.0.0.1:${ops.address.port}`, String(rate)]);
    resources.use(client);
  }
  const sample = await measure(async () => {
    await runPipeline<AnyEvent>({
      source,
      sink: watch?.watchSink(sink) ?? sink,
      ...(watch && { watch }),
      counters,
      batchSize: 1000,
      limit: load!.events,
      timeOf: (event) => event.time_us,
      collectionOf: (event) => event.kind === "commit" ? event.commit.collection : undefined,
    });
    return counters.written;
  });
  await watch?.ended();
  return [sample];
}

const CASES: readonly Case[] = [
  { name: ALONE, run: (setting) => runRow(setting, undefined) },
  { name: "a server that nobody asks", reference: ALONE, run: (setting) => runRow(setting, 0) },
  {
    name: `${RATE} requests a second`,
    reference: ALONE,
    goals: [{ figure: "ratio", atLeast: 0.97 }],
    run: (setting) => runRow(setting, RATE),
  },
];

/** `deno task bench ops` */
export const bench: Bench = {
  name: "ops",
  brief: "What the operations server costs a run",
  events: 2_000_000,
  rounds: 7,
  warmUps: 1,
  load: (events) => events,
  timeoutMs: 300_000,
  cases: () => CASES,
};
