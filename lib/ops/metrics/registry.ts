/**
 * All metrics, in the text format of Prometheus.
 *
 * @module
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, type Metric, Registry } from "prom-client";
import { DURATION_BOUNDS } from "../../sinks/webhook/figures.ts";
import type { RunWatch } from "../run_watch.ts";
import type { MetricDefinition } from "./definition.ts";
import { EVENT_METRICS } from "./events.ts";
import { HOST_METRICS } from "./hosts.ts";
import { LEGACY_METRICS } from "./legacy.ts";
import { WEBHOOK_METRICS } from "./webhook.ts";

/** Of all our names but the older program's. */
const PREFIX = "bskyingest_";
/** Upper bounds of the histogram of writes, in seconds. */
const WRITE_BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Making all of them costs a millisecond: whoever asks more often gets the same text again. */
const FRESH_MS = 1000;

/** What is measured. */
export interface Metrics {
  /** Takes note of a write of a sink. */
  noteWrite(sink: string, seconds: number): void;
  /** Everything, at most a second old, and its `Content-Type`. */
  text(): Promise<{ readonly type: string; readonly text: string }>;
}

/** What {@link createMetrics} measures. */
export interface MetricsOptions {
  /** The runs, as they are when somebody asks. */
  readonly runs: readonly RunWatch[];
  /** Whether rsky-ingester's names are there as well. */
  readonly legacy: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A registry of its own: metrics of other libraries are not in it. */
export function createMetrics({ runs, legacy, now = Date.now }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const definition of [...EVENT_METRICS, ...HOST_METRICS, ...WEBHOOK_METRICS]) {
    register(registry, definition, PREFIX, runs, now);
  }
  if (legacy) { for (const definition of LEGACY_METRICS) register(registry, definition, "", runs, now); }
  registry.registerMetric(webhookDurations(runs));
  const writes = new Histogram({
    name: `${PREFIX}batch_duration_seconds`,
    help: "How long a write of the sink took",
    labelNames: ["sink"],
    buckets: WRITE_BOUNDS,
    registers: [registry],
  });
  const make = async () => {
    const text = await registry.metrics();
    return { type: registry.contentType, text: text.replaceAll(/ Nan$/gm, " NaN") }; // as the format has it
  };
  let made: ReturnType<typeof make>, madeAt = -Infinity;
  return {
    noteWrite: (sink, seconds) => writes.observe({ sink }, seconds),
    text() {
      const asked = performance.now();
      if (asked - madeAt >= FRESH_MS) [made, madeAt] = [make(), asked];
      return made;
    },
  };
}

/** Values are read when they are asked for, so that a metric costs nothing while nobody does. */
function register(
  registry: Registry,
  definition: MetricDefinition,
  prefix: string,
  runs: readonly RunWatch[],
  now: () => number,
): void {
  const { type, name, help, labels, together = "sum" } = definition;
  const options = { name: prefix + name, help, labelNames: [...labels], registers: [registry] };
  const metric: Counter | Gauge = type === "counter"
    ? new Counter({ ...options, collect })
    : new Gauge({ ...options, collect });
  function collect(): void {
    metric.reset();
    for (const [values, value] of sumsOf(runs.flatMap((run) => [...definition.read(run, now())]), together)) {
      metric.inc(Object.fromEntries(labels.map((label, i) => [label, values[i] ?? ""])), value);
    }
  }
}

function sumsOf(samples: readonly (readonly [readonly string[], number])[], together: "sum" | "max") {
  const sums = new Map<string, [readonly string[], number]>();
  for (const [labels, value] of samples) {
    const key = labels.join("\n");
    const before = sums.get(key)?.[1];
    const sum = before === undefined ? value : together === "sum" ? before + value : Math.max(before, value);
    sums.set(key, [labels, sum]);
  }
  return sums.values();
}

/** A histogram whose counts somebody else keeps. */
function webhookDurations(runs: readonly RunWatch[]): Metric {
  const name = `${PREFIX}webhook_request_duration_seconds`;
  const about = { name, help: "How long requests took until the head of their answer", type: "histogram" };
  const get = () => {
    const durations = runs.flatMap(({ webhook }) => webhook ? [webhook.durations] : [])[0];
    if (durations === undefined) return { ...about, values: [], aggregator: "sum" };
    let below = 0;
    const buckets = DURATION_BOUNDS.map((le, i) => {
      below += durations.counts[i] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le }, value: below };
    });
    const rest = [
      { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: durations.count },
      { metricName: `${name}_sum`, labels: {}, value: durations.sum },
      { metricName: `${name}_count`, labels: {}, value: durations.count },
    ];
    return { ...about, values: [...buckets, ...rest], aggregator: "sum" };
  };
  return { ...about, get: () => Promise.resolve(get()) } as unknown as Metric;
}
