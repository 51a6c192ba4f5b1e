/**
 * Metrics in the text format of Prometheus, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * @module
 */

/** What the format is called. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A metric with its values. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly values: Iterable<FamilyValue>;
}

/** A line. */
export interface FamilyValue {
  /** Of a part of a histogram: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The text of metrics; each line ends. */
export function metricsText(families: Iterable<Family>): string {
  let text = "";
  for (const { name, type, help, values } of families) {
    text += `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = "", labels = {}, value } of values) {
      text += `${name}${suffix}${labelsText(labels)} ${numberText(value)}\n`;
    }
  }
  return text;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

/** Counts of what was observed, by upper bounds. */
export interface Observed {
  /** Of each bound, those that are above the bound before it. */
  readonly counts: readonly number[];
  /** Of all, those above the last bound too. */
  readonly count: number;
  readonly sum: number;
}

/** The lines of a histogram. */
export function histogramValues(
  bounds: readonly number[],
  { counts, count, sum }: Observed,
  labels: Readonly<Record<string, string>> = {},
): FamilyValue[] {
  let below = 0;
  const buckets = bounds.map((bound, i) => {
    below += counts[i] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le: String(bound) }, value: below };
  });
  return [
    ...buckets,
    { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
    { suffix: "_sum", labels, value: sum },
    { suffix: "_count", labels, value: count },
  ];
}

/** Observes values. */
export class Histogram implements Observed {
  readonly counts: number[];
  count = 0;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  /** Takes note of a value. */
  observe(value: number): void {
    this.count++;
    this.sum += value;
    const i = this.#bounds.findIndex((bound) => value <= bound);
    if (i >= 0) this.counts[i]!++;
  }
}
