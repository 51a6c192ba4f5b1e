/**
 * Rows for tests.
 *
 * @module
 */
import { equal, throws } from "node:assert/strict";
import type { CommitEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Row } from "./files.ts";
import { readRow, type RowEvent, type RowOptions } from "./rows.ts";

export const FILE = "mega_jetstream_20250909_204500.db.zip";
export const DID = "did:plc:wq4aajammjtxdomz3e23667t";
export const RKEY = "3mptbyplj5d2a";
export const URI = `at://${DID}/app.bsky.feed.post/${RKEY}`;
/** In microseconds. */
export const TIME_US = 1757450801618621;

export const OPTIONS: RowOptions = {
  file: FILE,
  fileTimeUs: 1757450700000000,
  purgeAccounts: ["deleted"],
  origin: Object.freeze({ source: "megastream", wire: "row", host: FILE }),
  now: () => 1_800_000_000_000,
};

type Json = Record<string, unknown>;

/** `undefined` as a member takes it away. */
export interface RowParts {
  readonly record?: Json;
  readonly commit?: Json;
  readonly message?: Json;
  readonly hydrated?: unknown;
  /** Of `raw_post`. */
  readonly post?: Json;
  /** Columns. */
  readonly row?: Partial<Row>;
}

/** The commit of a delete. */
export const DELETE: Json = { operation: "delete", record: undefined, cid: undefined };

/** The row of a post, with some parts changed. */
export function postRow({ record, commit, message, hydrated, post, row }: RowParts = {}): Row {
  const rawPost = {
    at_uri: URI,
    did: DID,
    time_us: null,
    message: {
      did: DID,
      time_us: TIME_US,
      kind: "commit",
      commit: {
        rev: "3mptbypluud2a",
        operation: "create",
        collection: "app.bsky.feed.post",
        rkey: RKEY,
        record: { $type: "app.bsky.feed.post", text: "hello", createdAt: "2025-09-09T20:46:41.000Z", ...record },
        cid: "bafyrei",
        ...commit,
      },
      ...message,
    },
    hydrated_metadata: hydrated,
    ...post,
  };
  return rowOf(JSON.stringify(rawPost), row);
}

/** The row of an account, an identity, or something else that has no URI. */
export function stateRow(message: Json, row: Partial<Row> = {}): Row {
  const rawPost = { at_uri: "", did: DID, message: { did: DID, time_us: TIME_US, ...message } };
  return rowOf(JSON.stringify(rawPost), { at_uri: "", ...row });
}

/** A row of any content. */
export function rowOf(raw_post: unknown, row: Partial<Row> = {}): Row {
  return { row: 7, at_uri: URI, did: DID, raw_post, inferences: null, created_at: "2025-09-09 20:47:00", ...row };
}

/** The event of a row that must be one. */
export function read(row: Row, options: RowOptions = OPTIONS): RowEvent {
  const result = readRow(row, options);
  if ("skip" in result) throw new Error(`Cannot read row: it is skipped: ${result.skip}`);
  return result;
}

/** The event of a changed post. */
export const eventOf = (parts: RowParts, options?: RowOptions) => read(postRow(parts), options).event as CommitEvent;
/** What a changed post is. */
export const whatOf = (parts: RowParts) => read(postRow(parts)).what;

/** The error with which a row is rejected, for `reason`. */
export function rejects(row: Row, reason: string, options = OPTIONS): PoisonError {
  let error: unknown;
  throws(() => readRow(row, options), (thrown) => (error = thrown, thrown instanceof PoisonError));
  equal((error as PoisonError).reason, reason);
  return error as PoisonError;
}
