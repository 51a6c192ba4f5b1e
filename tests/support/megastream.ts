/**
 * Megastream files for runs of the program, and what such runs leave behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import type { FileEntry } from "../../lib/state/processed_entries.ts";
import { fewRows } from "../../scripts/megastream/cases/ordinary.ts";
import { databaseOf } from "../../scripts/megastream/database.ts";
import { plainZip } from "../../scripts/megastream/files.ts";
import { writeBigFile } from "../../scripts/megastream/many.ts";
import { ROOT } from "./paths.ts";
import { type Ended, parseSummary, run, until } from "./program.ts";
import { readBack } from "./sqlite.ts";

/** Where the fixtures lie. */
export const FIXTURES = `${ROOT}/fixtures/megastream`;

/** What `--json` tells of a run of `megastream` besides. */
export interface MegastreamSummary extends Summary {
  readonly files: Readonly<
    Record<"eligible" | "processed" | "failed" | "partial" | "ignored" | "not_ready", number>
  >;
  readonly rows: number;
  readonly posts: number;
  readonly replies: number;
  readonly deletes: number;
  readonly account_deletions: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly rejected_rows: Readonly<Record<string, number>>;
  readonly bad_inferences: number;
  readonly vectors_dropped: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly created_at: { readonly repaired: number; readonly fallback: number };
}

/** A row of `golden_rows.ndjson`; exactly one of `what`, `skip` and `reject` is there. */
export interface GoldenRow {
  readonly file: string;
  readonly row: number;
  readonly what?: "post" | "reply" | "delete" | "account_deletion";
  readonly skip?: string;
  readonly reject?: string;
  readonly bad_inferences?: true;
  readonly created_at_flag?: "repaired" | "fallback";
  /** Reasons by model. */
  readonly vectors_dropped?: Readonly<Record<string, string>>;
}

/** A golden file, line by line. */
export function golden<T>(name: string): T[] {
  return Deno.readTextFileSync(`${FIXTURES}/${name}`).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Runs `megastream` with `--json`; it must end with `code`. */
export async function megastream(
  folder: string,
  args: readonly string[],
  code = 0,
  env: Record<string, string> = {},
): Promise<MegastreamSummary> {
  return megastreamSummary(await run(folder, ["megastream", ...args, "--json"], env), code);
}

/** The summary that a run with `--json` left. */
export function megastreamSummary(end: Ended, code = 0): MegastreamSummary {
  const summary = parseSummary(end, code) as MegastreamSummary;
  assert.equal(summary.command, "megastream");
  return summary;
}

/** `mega_jetstream_20251021_HHMMSS.db.zip` of a time `HH:MM:SS`. */
export function fileName(time: string): string {
  return `mega_jetstream_20251021_${time.replaceAll(":", "")}.db.zip`;
}

/** A file with some posts that no other time has. */
export function fileBytes(time: string, rows = 3): Uint8Array {
  const { rows: cases } = fewRows(`2025-10-21T${time}Z`, Number(time.replaceAll(":", "")), `At ${time}`, rows);
  return plainZip(fileName(time).slice(0, -".db.zip".length), databaseOf(cases.map(({ columns }) => columns)));
}

/** Writes a file with some posts into a folder, which is made, and returns its name. */
export function writeFile(folder: string, time: string, rows = 3): string {
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeFileSync(`${folder}/${fileName(time)}`, fileBytes(time, rows));
  return fileName(time);
}

/** Writes a file that cannot be read. */
export function writeBadFile(folder: string, time: string): string {
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/${fileName(time)}`, "No archive and no database");
  return fileName(time);
}

/** Writes a bare file with many rows into a folder, which is made, and returns its name. */
export async function writeManyRows(folder: string, rows: number, rowBytes = 1000): Promise<string> {
  Deno.mkdirSync(folder, { recursive: true });
  return await writeBigFile(folder, { rows, rowBytes, bare: true });
}

/** Copies the good fixtures into a folder, which is made. */
export function copyFixtures(folder: string): void {
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(FIXTURES)) {
    if (name.endsWith(".db.zip")) Deno.copyFileSync(`${FIXTURES}/${name}`, `${folder}/${name}`);
  }
}

/**
 * Makes all files of a folder unreadable without a trace: names, sizes and times are as before. Whoever opens one now finds it bad.
 *
 * @returns How many there are.
 */
export function spoilFiles(folder: string): number {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  for (const name of names) {
    const path = `${folder}/${name}`;
    const { size, mtime, atime } = Deno.statSync(path);
    Deno.writeFileSync(path, new Uint8Array(size).fill(0x21));
    Deno.utimeSync(path, atime!, mtime!);
  }
  return names.length;
}

/** The state file that a run into a sink leaves below its home. */
export function statePath(folder: string, sink = "sqlite"): string {
  return `${folder}/.local/state/bskyingest/megastream-${sink}.json`;
}

/** Entries of a state file; none as long as there is no such file. */
export function readState(path: string): FileEntry[] {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** `status attempts` of each entry by file name, for a look at all of them. */
export function statuses(path: string): Record<string, string> {
  return Object.fromEntries(
    readState(path).map(({ filename, status, attempts }) => [filename, `${status} ${attempts}`]),
  );
}

/** Waits until the state says that a file is processed. */
export async function untilProcessed(path: string, name: string): Promise<void> {
  const isDone = () => readState(path).some(({ filename, status }) => filename === name && status === "processed");
  await until(isDone, `${name} to be processed`);
}

/** A row as the database has it that a run wrote. */
export interface StoredRow {
  readonly file: string;
  readonly row: number;
}

/** Files and rows in the order in which they were written. */
export function storedRows(db: string): StoredRow[] {
  return readBack<StoredRow>(
    db,
    `SELECT json_extract(json, '$.enriched.file') AS file, json_extract(json, '$.enriched.row') AS row
      FROM events ORDER BY position`,
  );
}

/** How many rows of each file were written. */
export function rowsByFile(db: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { file } of storedRows(db)) counts[file] = (counts[file] ?? 0) + 1;
  return counts;
}

/** Rows in the dead letter of `megastream`, in order. */
export function deadRows(folder: string): (StoredRow & { readonly reason: string; readonly stage: string })[] {
  const text = Deno.readTextFileSync(`${folder}/.local/state/bskyingest/dead-letter/megastream.ndjson`);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line))
    .map(({ host, row, reason, stage }) => ({ file: host, row, reason, stage }));
}
