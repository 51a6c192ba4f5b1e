/**
 * What the cells of the matrix count, and the table of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";

/** What a cell of the matrix counted, over all of its runs. */
export interface Figures {
  /** What the source had, once. */
  readonly sent: number;
  /** What is in the sink, copies included; undefined: it forgets. */
  readonly written: number | undefined;
  /** In the dead letter, without copies; undefined: nobody looked. */
  readonly dead: number;
  readonly filtered: number;
  /** Recognised as copies, or found twice in a sink that cannot tell. */
  readonly duplicate: number;
  /** The last number that is safe, as the position says. */
  readonly position: number | undefined;
  /** Of the last run. */
  readonly exit: number;
  /** What the runs logged, and told on stderr. */
  readonly said: readonly string[];
}

/** A line of the table. */
export interface Row extends Partial<Figures> {
  readonly source: string;
  readonly sink: string;
  readonly fault: string;
}

/** A cell that cannot be. */
export interface Never {
  readonly fault: string;
  /** The source or the sink that it cannot happen to. */
  readonly name: string;
  readonly why: string;
}

const HEAD = [
  "source",
  "sink",
  "fault",
  "sent",
  "written",
  "dead",
  "filtered",
  "duplicate",
  "position",
  "exit",
] as const;

/** All lines as text, in columns. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => HEAD.map((column) => String(row[column] ?? "-")));
  const lines = [HEAD as readonly string[], ...cells];
  const widths = HEAD.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const pad = (cell: string, i: number) => i < TEXTS ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
  return lines.map((line) => line.map(pad).join("  ")).join("\n");
}

/** Columns that are text. */
const TEXTS = 3;

/** A line for each fault that cannot happen everywhere. */
export function neverText(all: readonly Never[]): string {
  const faults = Map.groupBy(all, ({ fault }) => fault);
  return [...faults].map(([fault, each]) => {
    const reasons = Map.groupBy(each, ({ why }) => why);
    return `${fault}: ${
      [...reasons].map(([why, those]) => `${those.map(({ name }) => name).join(", ")}: ${why}`).join("; ")
    }`;
  }).join("\n");
}

/** What was received by one run is all accounted for, and none of it was on its way at the end. */
export function assertSettled({ received, written, filtered, duplicates, dead_lettered, unsettled }: Summary): void {
  assert.equal(received, written + filtered + duplicates + dead_lettered);
  assert.equal(unsettled, 0);
}
