/**
 * All metrics, in the text format of Prometheus.
 *
 * @module
 */
import { DURATION_BOUNDS } from "../../sinks/webhook/figures.ts";
import type { RunWatch } from "../run_watch.ts";
import type { MetricDefinition } from "./definition.ts";
import { EVENT_METRICS } from "./events.ts";
import { HOST_METRICS } from "./hosts.ts";
import { LEGACY_METRICS } from "./legacy.ts";
import { processMetrics } from "./process.ts";
import { CONTENT_TYPE, type Family, Histogram, histogramValues, metricsText } from "./text.ts";
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

/** Makes the metrics. Values are read when they are asked for, so that a metric costs nothing while nobody does. */
export function createMetrics({ runs, legacy, now = Date.now }: MetricsOptions): Metrics {
  const writes = new Map<string, Histogram>();
  const make = async () => {
    const ours = [...EVENT_METRICS, ...HOST_METRICS, ...WEBHOOK_METRICS].map((each) =>
      familyOf(each, PREFIX, runs, now)
    );
    const older = legacy ? LEGACY_METRICS.map((each) => familyOf(each, "", runs, now)) : [];
    const text = metricsText([
      ...await processMetrics(),
      ...ours,
      ...older,
      webhookDurations(runs),
      writeDurations(writes),
    ]);
    return { type: CONTENT_TYPE, text };
  };
  let made: ReturnType<typeof make>, madeAt = -Infinity;
  return {
    noteWrite(sink, seconds) {
      const histogram = writes.get(sink) ?? new Histogram(WRITE_BOUNDS);
      writes.set(sink, histogram);
      histogram.observe(seconds);
    },
    text() {
      const asked = performance.now();
      if (asked - madeAt >= FRESH_MS) [made, madeAt] = [make(), asked];
      return made;
    },
  };
}

function familyOf(definition: MetricDefinition, prefix: string, runs: readonly RunWatch[], now: () => number): Family {
  const { type, name, help, labels, together = "sum" } = definition;
  const sums = sumsOf(runs.flatMap((run) => [...definition.read(run, now())]), together);
  const values = [...sums].map(([each, value]) => {
    return { labels: Object.fromEntries(labels.map((label, i) => [label, each[i] ?? ""])), value };
  });
  return { name: prefix + name, type, help, values };
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

/** The sink keeps the counts itself. */
function webhookDurations(runs: readonly RunWatch[]): Family {
  const [durations] = runs.flatMap(({ webhook }) => webhook ? [webhook.durations] : []);
  return {
    name: `${PREFIX}webhook_request_duration_seconds`,
    help: "How long requests took until the head of their answer",
    type: "histogram",
    values: durations ? histogramValues(DURATION_BOUNDS, durations) : [],
  };
}

function writeDurations(writes: ReadonlyMap<string, Histogram>): Family {
  return {
    name: `${PREFIX}batch_duration_seconds`,
    help: "How long a write of the sink took",
    type: "histogram",
    values: [...writes].flatMap(([sink, histogram]) => histogramValues(WRITE_BOUNDS, histogram, { sink })),
  };
}
