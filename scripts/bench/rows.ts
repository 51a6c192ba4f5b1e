/**
 * From samples to the rows of a table.
 *
 * @module
 */
import type { Case, Goal, Sample } from "./bench.ts";

/** A row of the table, and of the JSON. */
export interface Row {
  readonly case: string;
  /** Medians. */
  readonly itemsPerSecond: number;
  readonly usPerItem: number;
  readonly cpuUsPerItem: number | null;
  /** To the reference: the median of the ratios of samples that were taken beside each other. */
  readonly ratio: number | null;
  readonly reference: string | null;
  /** The most of all samples, in bytes. */
  readonly peakRss: number | null;
  /** The distance between the slowest and the fastest sample, as a share of the median. */
  readonly spread: number;
  readonly samples: number;
  readonly goals: readonly { readonly goal: string; readonly ok: boolean }[];
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The row of a case; `reference`: the samples of the case that it is compared with, taken in the same rounds. */
export function rowOf(
  { name, reference, goals = [] }: Case,
  samples: readonly Sample[],
  referenceSamples: readonly Sample[] | undefined,
): Row {
  const rates = samples.map(rate);
  const itemsPerSecond = median(rates);
  const cpus = samples.flatMap(({ cpuMs, items }) => cpuMs === undefined ? [] : [cpuMs * 1000 / items]);
  const peaks = samples.flatMap(({ peakRss }) => peakRss ?? []);
  const ratios = referenceSamples && rates.map((r, n) => r / rate(referenceSamples[n]!));
  const row = {
    case: name,
    itemsPerSecond,
    usPerItem: 1e6 / itemsPerSecond,
    cpuUsPerItem: cpus.length > 0 ? median(cpus) : null,
    ratio: ratios ? median(ratios) : null,
    reference: reference ?? null,
    peakRss: peaks.length > 0 ? Math.max(...peaks) : null,
    spread: (Math.max(...rates) - Math.min(...rates)) / itemsPerSecond,
    samples: samples.length,
  };
  return { ...row, goals: goals.map((goal) => check(goal, row)) };
}

function rate({ items, ms }: Sample): number {
  return items / (ms / 1000);
}

function check(goal: Goal, row: Omit<Row, "goals">): { readonly goal: string; readonly ok: boolean } {
  switch (goal.figure) {
    case "rate":
      return { goal: `>= ${whole(goal.atLeast)}/s`, ok: row.itemsPerSecond >= goal.atLeast };
    case "ratio":
      return { goal: `ratio >= ${goal.atLeast}`, ok: (row.ratio ?? 0) >= goal.atLeast };
    case "ms":
      return { goal: `<= ${goal.atMost} ms`, ok: row.usPerItem / 1000 <= goal.atMost };
    case "rss":
      return { goal: `<= ${goal.atMost / 1e6} MB`, ok: (row.peakRss ?? Infinity) <= goal.atMost };
  }
}

/** A number without decimals, with separators. */
export function whole(n: number): string {
  return Math.round(n).toLocaleString("en");
}

/** The rows as text. */
export function formatRows(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.case,
    whole(row.itemsPerSecond),
    row.usPerItem.toFixed(2),
    row.ratio?.toFixed(2) ?? "",
    row.cpuUsPerItem?.toFixed(2) ?? "",
    row.peakRss === null ? "" : `${whole(row.peakRss / 1e6)} MB`,
    `${whole(row.spread * 100)} %`,
    row.goals.map(({ goal, ok }) => `${goal} ${ok ? "ok" : "MISSED"}`).join(", "),
  ]);
  const head = ["case", "items/s", "us/item", "ratio", "CPU us/item", "peak RSS", "spread", "goals"];
  return formatTable([head, ...lines]);
}

/** Columns side by side: the first and the last one to the left, the others to the right. */
export function formatTable(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const last = widths.length - 1;
  const cell = (text: string, column: number) =>
    column === 0 || column === last ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}
