/**
 * Rows that cannot become anything, one and more for each reason.
 *
 * @module
 */
import type { Columns, Value } from "../database.ts";
import { post } from "../post.ts";
import { type FileRows, fileRows } from "../row.ts";

/** What `raw_post` holds, as far as these rows change it. */
interface Raw {
  readonly at_uri: unknown;
  readonly message: Record<string, unknown> & { readonly commit: Record<string, unknown> };
}
type Change = (raw: Raw) => unknown;

/** The rows of the file; after every reject comes a post. */
export function rejectRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng });
  columnCases(file);
  messageCases(file);
  uriCases(file);
  commitCases(file);
  post(file, { shows: "The post after all rejects" });
  return file;
}

/** A row whose `raw_post` is a byte longer than is read, between two that are not. */
export function longRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng });
  post(file, { shows: "The post before the long one" });
  reject(file, "too_large", "A row of 16 MiB and a byte", ({ raw_post }) => {
    const text = String(raw_post);
    return { raw_post: text.slice(0, -1) + " ".repeat(16 * 1024 * 1024 + 1 - text.length) + "}" };
  });
  post(file, { shows: "The post after the long one" });
  return file;
}

/** A row that would be a post but for `change`. */
function reject(file: FileRows, reason: string, shows: string, change: (columns: Columns) => Partial<Columns>): void {
  post(file, { shows, columns: change });
  file.rows.push({ ...file.rows.pop()!, becomes: { reject: reason } });
}

function rejectRaw(
  file: FileRows,
  reason: string,
  shows: string,
  change: Change,
  columns: Partial<Columns> = {},
): void {
  reject(file, reason, shows, ({ raw_post }) => ({
    raw_post: JSON.stringify(change(JSON.parse(String(raw_post)))),
    ...columns,
  }));
}

/** Changes members of the commit. */
function rejectCommit(file: FileRows, reason: string, shows: string, members: Record<string, unknown>): void {
  rejectRaw(file, reason, shows, ({ message, ...raw }) => ({
    ...raw,
    message: { ...message, commit: { ...message.commit, ...members } },
  }));
}

function columnCases(file: FileRows): void {
  const blob = (value: Value) => new TextEncoder().encode(String(value));
  reject(file, "bad_type", "A blob for at_uri", ({ at_uri }) => ({ at_uri: blob(at_uri) }));
  reject(file, "bad_type", "A blob for did", ({ did }) => ({ did: blob(did) }));
  reject(file, "bad_type", "A blob for raw_post", ({ raw_post }) => ({ raw_post: blob(raw_post) }));
  reject(file, "bad_raw_post", "NULL for raw_post", () => ({ raw_post: null }));
  reject(file, "bad_raw_post", "No JSON", ({ raw_post }) => ({ raw_post: String(raw_post).slice(0, -1) }));
  reject(file, "bad_raw_post", "A list", () => ({ raw_post: "[1, 2]" }));
  reject(file, "bad_raw_post", "An object without message", () => ({ raw_post: "{}" }));
  reject(file, "bad_raw_post", "A message that is no object", () => ({ raw_post: '{"message":"hello"}' }));
}

function messageCases(file: FileRows): void {
  rejectRaw(file, "no_did", "A deleted account that nobody names", () => ({
    message: { kind: "account", account: { active: false, status: "deleted" } },
  }), { at_uri: "", did: null });
  reject(file, "bad_commit", "A commit that is not there", () => ({ raw_post: '{"message":{"kind":"commit"}}' }));
  rejectRaw(file, "bad_commit", "A commit that is a text", ({ message, ...raw }) => ({
    ...raw,
    message: { ...message, commit: "create" },
  }));
  rejectCommit(file, "bad_commit", "An operation that is a number", { operation: 1 });
}

function uriCases(file: FileRows): void {
  rejectRaw(file, "no_uri", "Neither URI nor key", ({ message, ...raw }) => ({
    ...raw,
    at_uri: "",
    message: { ...message, commit: { ...message.commit, rkey: undefined } },
  }), { at_uri: "" });
  const uri = (shows: string, change: (uri: string) => string) =>
    reject(file, "bad_uri", shows, ({ at_uri }) => ({ at_uri: change(String(at_uri)) }));
  uri("A web page for a URI", () => "https://example.org/post/1");
  uri("A handle for a DID", (text) => text.replace(/did:[^/]+/, "someone.example"));
  uri("A URI without key", (text) => text.slice(0, text.lastIndexOf("/")));
  uri("A key that is none", (text) => `${text} too`);
  uri("A URI with more after the key", (text) => `${text}/more`);
  reject(file, "uri_mismatch", "The post of somebody else, as the column says", () => ({ did: file.person(60) }));
  rejectRaw(file, "uri_mismatch", "The post of somebody else, as the message says", ({ message, ...raw }) => ({
    ...raw,
    message: { ...message, did: file.person(61) },
  }));
  rejectCommit(file, "uri_mismatch", "Another key than the URI's", { rkey: "3m3mwyjdeit22" });
}

function commitCases(file: FileRows): void {
  rejectCommit(file, "bad_operation", "An operation that nobody knows", { operation: "upsert" });
  rejectCommit(file, "bad_record", "No record", { record: undefined });
  rejectCommit(file, "bad_record", "A record that is a text", { record: "Hello." });
  rejectCommit(file, "bad_record", "A record of another type", { record: { $type: "app.bsky.feed.like", text: "" } });
}
