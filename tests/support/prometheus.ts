/**
 * A strict reader of Prometheus' text format 0.0.4.
 *
 * @module
 */
import assert from "node:assert/strict";

/** One line with a value. */
export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with its samples; of a histogram with those of its parts. */
export interface PrometheusMetric {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly PrometheusSample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?,?\\})? (NaN|[+-]?Inf|[-+0-9.eE]+)$`);

/** Reads all of it. Fails the test at whatever a server would not take. */
export function parsePrometheus(text: string): Map<string, PrometheusMetric> {
  assert(text.endsWith("\n"), "the last line ends");
  const metrics = new Map<string, { type: string; help: string; samples: PrometheusSample[] }>();
  const seen = new Set<string>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, kind, about, rest = ""] = new RegExp(`^# (HELP|TYPE) (${NAME}) ?(.*)$`).exec(line) ?? [];
    if (kind === "HELP") {
      assert(!metrics.has(about!), `${about} is told of twice`);
      metrics.set(about!, { type: "untyped", help: rest, samples: [] });
    } else if (kind === "TYPE") {
      const metric = metrics.get(about!);
      assert(metric && metric.samples.length === 0, `TYPE of ${about} comes after HELP and before samples`);
      metric.type = rest;
    } else {
      const match = SAMPLE.exec(line);
      assert(match, `cannot read: ${line}`);
      const [name, labels = "", value] = [match[1]!, match[2], match.at(-1)!];
      const owner = metrics.get(name) ?? metrics.get(name.replace(/_(bucket|sum|count)$/, ""));
      assert(owner, `${name} was not told of`);
      const key = `${name}{${labels}}`;
      assert(!seen.has(key), `${key} is there twice`);
      seen.add(key);
      owner.samples.push({ name, labels: labelsOf(labels), value: Number(value.replace("Inf", "Infinity")) });
    }
  }
  return metrics;
}

function labelsOf(text: string): Record<string, string> {
  const unescape = (value: string) => value.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
  return Object.fromEntries(
    [...text.matchAll(new RegExp(LABEL, "g"))].map(([, name, value]) => [name, unescape(value!)]),
  );
}

/** The sum of a metric's samples. */
export function sumOf(metrics: ReadonlyMap<string, PrometheusMetric>, name: string): number {
  const metric = metrics.get(name);
  assert(metric, `${name} is missing`);
  return metric.samples.reduce((sum, { value }) => sum + value, 0);
}
