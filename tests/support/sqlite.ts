/**
 * What tests of SQLite files need: another program's eyes on them, and events to put in.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { AnyEvent, AtEvent, CommitEvent, LabelEvent, Origin } from "../../lib/atproto/event.ts";
import type { Sink, SinkBatch, WriteResult } from "../../lib/pipeline/sink.ts";

const PYTHON = `import json, sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
db.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in db.execute(sys.argv[2])]))`;

/** How another SQLite than Deno's can be asked on this machine. */
const READER: ((path: string, sql: string) => [string, string[]]) | undefined = runs("sqlite3", ["--version"])
  ? (path, sql) => ["sqlite3", ["-batch", "-readonly", "-json", path, sql]]
  : runs("python3", ["-c", "import sqlite3"])
  ? (path, sql) => ["python3", ["-c", PYTHON, path, sql]]
  : undefined;

function runs(command: string, args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Rows as the system's `sqlite3` or Python reads them; where neither is installed, Deno's own SQLite. */
export function readBack<T = Record<string, unknown>>(path: string, sql: string): T[] {
  if (!READER) {
    using db = new DatabaseSync(path, { readOnly: true });
    return db.prepare(sql).all() as T[];
  }
  const [command, args] = READER(path, sql);
  const { success, stdout, stderr } = new Deno.Command(command, { args, stdout: "piped", stderr: "piped" })
    .outputSync();
  if (!success) throw new Error(`Cannot read ${path}: ${new TextDecoder().decode(stderr)}`);
  const text = new TextDecoder().decode(stdout);
  return text.trim() === "" ? [] : JSON.parse(text);
}

/** Registers a test that reads files back with another SQLite; where there is none, its name says so. */
export function readBackTest(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  Deno.test(READER ? name : `${name} (neither sqlite3 nor python3 is installed: read by Deno's SQLite)`, fn);
}

/** The origin of the events made here. */
export const ORIGIN: Origin = Object.freeze({ source: "jetstream", wire: "v1", host: "example.test" });

/** 2026-01-01T00:00:00Z, in microseconds. */
export const EPOCH_US = 1_767_225_600_000_000;

/** The commit number `i`, unlike any other; its time grows by 500 us. */
export function commitEvent(
  i: number,
  changes: Partial<CommitEvent["commit"]> = {},
  time_us = EPOCH_US + i * 500,
): CommitEvent {
  const n = String(i).padStart(13, "a");
  const created = {
    rev: n,
    operation: "create" as const,
    collection: "app.bsky.feed.like",
    rkey: n,
    record: { $type: "app.bsky.feed.like", subject: { uri: "at://did:plc:x/app.bsky.feed.post/1" } },
    cid: `bafy${n}`,
  };
  const commit = { ...created, ...changes };
  if (commit.operation !== "delete") return { did: `did:plc:${n}`, time_us, kind: "commit", origin: ORIGIN, commit };
  const { record: _, cid: __, ...deleted } = commit;
  return { did: `did:plc:${n}`, time_us, kind: "commit", origin: ORIGIN, commit: deleted };
}

/** Commits `from`, `from + 1`, ... */
export function commitEvents(count: number, from = 1): CommitEvent[] {
  return Array.from({ length: count }, (_, i) => commitEvent(from + i));
}

/** A label of `did:plc:labeler` on `uri`. */
export function labelEvent(uri: string, cts: string, more: Partial<LabelEvent["label"]> = {}): LabelEvent {
  const label = { src: "did:plc:labeler", uri, val: "spam", cts, ...more };
  return { kind: "label", time_us: Date.parse(cts) * 1000, origin: { ...ORIGIN, source: "labeler" }, label };
}

/** A line of Jetstream's v1 wire as the event that the source makes of it. */
export function v1Event(raw: string, origin: Origin = ORIGIN): AtEvent {
  const { cursor, ...rest } = JSON.parse(raw);
  return { ...rest, ...(cursor !== undefined && { seq: cursor }), origin, raw };
}

/** Writes one batch as the runner would. */
export function put(
  sink: Sink<AnyEvent>,
  items: readonly AnyEvent[],
  batch: Partial<SinkBatch<AnyEvent>> = {},
): Promise<WriteResult> {
  return sink.write({ items, cursor: undefined, key: "jetstream", ...batch }, { signal: new AbortController().signal });
}
