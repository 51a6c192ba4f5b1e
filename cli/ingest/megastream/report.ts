/**
 * What is said at the end: of the run, and in a dry run of each file.
 *
 * @module
 */
import type { RowCounters } from "../../../lib/sources/megastream/row_counters.ts";
import type { ReportPart } from "../../report.ts";
import type { FailedFile, PassesFigures } from "./options.ts";

/** What the summary is made of. */
export interface PartInput {
  readonly figures: PassesFigures;
  readonly rows: RowCounters;
  readonly failed: readonly FailedFile[];
  /** What the sink has counted. */
  readonly sink: object | undefined;
}

/** What a sink that makes documents tells of posts. */
interface DocumentFigures {
  readonly vectors_dropped?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly created_at?: { readonly repaired: number; readonly fallback: number };
}

const n = (value: number) => value.toLocaleString("en-US");

/** The part of the summary that is about files and rows. */
export function partOf({ figures: { files }, rows, failed, sink }: PartInput): ReportPart {
  const { vectors_dropped = {}, created_at = { repaired: 0, fallback: 0 } }: DocumentFigures = sink ?? {};
  const dropped = Object.entries(vectors_dropped)
    .map(([model, reasons]) =>
      `${model} ${Object.entries(reasons).map(([reason, count]) => `${reason} ${n(count)}`).join(", ")}`
    );
  const { repaired, fallback } = created_at;
  return {
    members: { files: { ...files }, ...rowMembers(rows), vectors_dropped, created_at },
    lines: [
      filesText(files),
      ...failed.length === 0 ? [] : [failedText(failed)],
      rowsText(rows),
      ...dropped.length === 0 ? [] : [`vectors dropped: ${dropped.join("; ")}`],
      ...repaired + fallback === 0 ? [] : [`createdAt repaired ${n(repaired)}, replaced ${n(fallback)}`],
    ],
    failed: failed.some(({ tried }) => tried),
  };
}

/** The counts of rows, as JSON has them. `rejected` is what every command calls the events that its sink refused. */
export function rowMembers({ skipped, rejected, badInferences, ...counts }: RowCounters): Record<string, unknown> {
  return {
    ...counts,
    skipped: Object.fromEntries(skipped),
    rejected_rows: Object.fromEntries(rejected),
    bad_inferences: badInferences,
  };
}

/** The same in one line. */
export function rowsText({ rows, posts, replies, deletes, account_deletions, skipped, rejected }: RowCounters): string {
  const reasons = (what: string, counts: ReadonlyMap<string, number>) =>
    counts.size === 0 ? [] : [`${what} ${[...counts].map(([reason, count]) => `${n(count)} ${reason}`).join(", ")}`];
  return [
    `${n(rows)} rows: posts ${n(posts)}, replies ${n(replies)}, deletes ${n(deletes)}, account deletions ${
      n(account_deletions)
    }`,
    ...reasons("skipped", skipped),
    ...reasons("rejected", rejected),
  ].join("; ");
}

function filesText({ eligible, processed, failed, partial, ignored, not_ready }: PassesFigures["files"]): string {
  const others = Object.entries({ failed, "partly read": partial, "left alone": ignored, "not ready": not_ready })
    .filter(([, count]) => count > 0).map(([what, count]) => `, ${n(count)} ${what}`);
  return `files ${n(processed)} of ${n(eligible)} processed${others.join("")}`;
}

function failedText(failed: readonly FailedFile[]): string {
  const [{ name, error, attempts }] = failed as [FailedFile];
  return `${n(failed.length)} files failed, the oldest is ${name}: ${error} (attempts ${n(attempts)})`;
}
