/**
 * The program as a user meets it: runs in a folder that is its working directory and its home, and servers to read from.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Summary } from "../../cli/report.ts";
import { type Child, startCli } from "./child.ts";

/** How a run ended. */
export interface Ended {
  /** 128 + the signal's number where a signal ended it. */
  readonly code: number;
  /** Whole lines. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

/** Runs the program to its end. */
export async function run(folder: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  await using child = startCli(args, { cwd: folder, env });
  return await ended(child);
}

/** Runs the program until its log has such a line, and then stops it as SIGTERM does. */
export async function runUntil(
  folder: string,
  line: string | RegExp,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  await using child = startCli(args, { cwd: folder, env });
  await child.stderr.waitFor(line);
  child.kill();
  return await ended(child);
}

/** Waits for the end of a program that was started. */
export async function ended(child: Child): Promise<Ended> {
  const { code } = await child.status;
  return { code, stdout: child.stdout.lines, stderr: child.stderr.lines };
}

/** Runs the program with `--json`; it must end with `code`. */
export async function summaryOf(folder: string, args: readonly string[], code = 0): Promise<Summary> {
  return parseSummary(await run(folder, [...args, "--json"]), code);
}

/** The summary that a run with `--json` left, its exit status and figures checked. */
export function parseSummary(end: Ended, code = 0): Summary {
  assert.equal(end.code, code, end.stderr.join("\n"));
  assert.equal(end.stdout.length, 1);
  const summary: Summary = JSON.parse(end.stdout[0]!);
  assert.equal(summary.exit, code);
  assertEquation(summary);
  return summary;
}

/** What was received is all accounted for. */
export function assertEquation(summary: Summary): void {
  const { received, written, would_write = 0, filtered, duplicates, dead_lettered, unsettled } = summary;
  assert.equal(received, written + would_write + filtered + duplicates + dead_lettered + unsettled);
  assert(unsettled >= 0, `unsettled ${unsettled}`);
}

/** Misuse: exit status 2, nothing on stdout, what is wrong and where to look on two lines. */
export function assertMisuse(end: Ended, expected: RegExp): void {
  assert.equal(end.code, 2, end.stderr.join("\n"));
  assert.deepEqual(end.stdout, []);
  const [fault, ...rest] = end.stderr.filter((line) => !/^\S+Z (info|warning) /.test(line));
  assert.match(fault ?? "", expected);
  assert.equal(rest.length, 1, end.stderr.join("\n"));
}

/** No stack trace. */
export function assertCalm({ stderr }: Ended): void {
  assert.deepEqual(stderr.filter((line) => /^ {4}at /.test(line)), []);
}

/** A `simulate` in a process of its own. */
export interface Server extends AsyncDisposable {
  readonly child: Child;
  /** `host:port` */
  readonly host: string;
  readonly v1: string;
  readonly v2: string;
}

/** Starts `simulate` on a free port; it is killed at the end of the block. */
export async function serve(folder: string, args: readonly string[]): Promise<Server> {
  const child = startCli(["simulate", "--serve", "127.0.0.1:0", ...args], { cwd: folder });
  try {
    const { jetstream, jetstream_v2, http } = JSON.parse(await child.stdout.waitFor("{"));
    const host = new URL(http).host;
    return { child, host, v1: jetstream, v2: jetstream_v2, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a run's log says it asked servers for: `live`, or `from` and the cursor. */
export function askedFor({ stderr }: { readonly stderr: readonly string[] }): string[] {
  return stderr.flatMap((line) => /jetstream: Connected to .*, (live|from \d+)$/.exec(line)?.[1] ?? []);
}

/** Rows in the table of events, while a run may be at it; 0 as long as there is none. */
export function rowsIn(path: string): number {
  if (!fileExists(path)) return 0;
  using db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const made = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'events'").get();
  return made === undefined ? 0 : Number(db.prepare("SELECT max(position) AS n FROM events").get()!.n ?? 0);
}

/** Whether there is such a file. */
export function fileExists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Looks every 20 ms until `look` answers true; a run that never gets there fails the test after a minute. */
export async function until(look: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!look()) {
    assert(Date.now() < end, `Waited a minute for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** All files below a folder, by relative path. */
export function filesIn(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${prefix}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(folder, `${prefix}${name}/`) : [prefix + name]
  ).sort();
}
