/**
 * Rows of Megastream files as events.
 *
 * @module
 */
import type { AccountEvent, AtEvent, Commit, CommitEvent, Enriched, Origin } from "../../atproto/event.ts";
import { isDid } from "../../atproto/syntax.ts";
import { tidMicros } from "../../atproto/tid.ts";
import { columnMicros } from "../../atproto/time.ts";
import { fitsInto, textOrNone } from "../../net/text.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Row } from "./files.ts";
import { rowDetail } from "./row_detail.ts";
import { columnInferences, isObject, type Json, MAX_BYTES, memberInferences, parsePost } from "./row_json.ts";
import { collectionOf, isAbsent, type PostName, postNameOf, POSTS } from "./row_uri.ts";

/** What {@link readRow} needs to know of the file. */
export interface RowOptions {
  /** Its name, as events and dead letters have it. */
  readonly file: string;
  /** Its time in microseconds since 1970: of a post about which nothing else tells one. */
  readonly fileTimeUs: number;
  /** Statuses of inactive accounts that become events, such as `deleted`; the other account rows are skipped. */
  readonly purgeAccounts: readonly string[];
  /** The events' origin: one frozen object a file. */
  readonly origin: Origin;
  /** The time in milliseconds since 1970; default: `Date.now`. */
  readonly now?: () => number;
}

/** What a row is. */
export type RowKind = "post" | "reply" | "delete" | "account_deletion";

/** Why a row is no event, on purpose. */
export type SkipReason = "account" | "identity" | "other_kind" | "other_collection";

/** A row that is an event. */
export interface RowEvent {
  /** The event: holds the record and the texts of `enriched`, nothing else of the row. */
  readonly event: AtEvent;
  /** What it is. */
  readonly what: RowKind;
  /** The row had inferences that are no JSON object: the event goes without them. */
  readonly badInferences?: true;
}

/** What {@link readRow} found. */
export type RowResult = RowEvent | { readonly skip: SkipReason };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What of a row is looked at: its columns have the right types, and an empty text counts as none. */
interface Columns {
  readonly row: Row;
  readonly uri: string | undefined;
  readonly did: string | undefined;
  /** Parsed, without inferences that repeat the column's. */
  readonly post: Json;
  /** The column's text; `undefined`: it is NULL, or not wanted; `null`: it is no JSON object. */
  readonly inferences: string | null | undefined;
  /** Of `post`. */
  readonly message: Json;
}

const bad = (reason: string, why: string) => new PoisonError(reason, `Cannot read row: ${why}`);
/** A number that can be a time in microseconds, or one that counts. */
const positive = (x: unknown) => Number.isSafeInteger(x) && (x as number) > 0 ? x as number : undefined;

/**
 * Reads a row. Posts and their deletes become commits, the purge of an account an account event; all else is skipped.
 *
 * @param row `inferences: undefined` says that nobody wants them; where they are NULL, those inside `raw_post` stand in.
 * @throws {PoisonError} `bad_type`, `too_large` (16 MiB), `bad_raw_post`, `no_did`, `bad_commit`, `no_uri`, `bad_uri`,
 * `uri_mismatch`, `bad_operation` or `bad_record`; its detail is what the dead letter says of the row.
 */
export function readRow(row: Row, options: RowOptions): RowResult {
  try {
    const columns = columnsOf(row);
    const { kind, commit } = columns.message;
    switch (kind ?? (isObject(commit) ? "commit" : undefined)) {
      case "account":
        return readAccount(columns, options);
      case "identity":
        return { skip: "identity" };
      case "commit":
        return readCommit(columns, options);
      default:
        return { skip: "other_kind" };
    }
  } catch (error) {
    if (!(error instanceof PoisonError)) throw error;
    throw new PoisonError(error.reason, error.message, { detail: rowDetail(row, options.file) });
  }
}

function columnsOf(row: Row): Columns {
  const uri = textIn("at_uri", row.at_uri), did = textIn("did", row.did), text = textIn("raw_post", row.raw_post);
  if (text !== undefined && !fitsInto(text, MAX_BYTES)) {
    throw bad("too_large", `raw_post has more than ${MAX_BYTES} bytes`);
  }
  if (text === undefined) throw bad("bad_raw_post", "raw_post is empty");
  const inferences = columnInferences(row.inferences);
  const post = parsePost(text, inferences);
  if (post === undefined) throw bad("bad_raw_post", "raw_post is not a JSON object");
  if (!isObject(post.message)) throw bad("bad_raw_post", "raw_post has no message");
  return { row, uri, did, post, inferences, message: post.message };
}

function textIn(column: string, value: unknown): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== "string") throw bad("bad_type", `${column} is neither TEXT nor NULL`);
  return value;
}

function readAccount(columns: Columns, options: RowOptions): RowResult {
  const { account, time_us } = columns.message;
  if (!isObject(account) || account.active !== false) return { skip: "account" };
  const { status, seq, time } = account;
  if (typeof status !== "string" || !options.purgeAccounts.includes(status)) return { skip: "account" };
  const did = accountDid(columns, account);
  const body: Mutable<AccountEvent["account"]> = { active: false, did, status };
  if (positive(seq) !== undefined) body.seq = seq as number;
  if (typeof time === "string") body.time = time;
  const event: AccountEvent = {
    did,
    time_us: positive(time_us) ?? columnTime(columns.row) ?? fileTime(options),
    kind: "account",
    account: body,
    origin: options.origin,
    enriched: enrichedOf(columns.row, options),
  };
  return { event, what: "account_deletion" };
}

/** An account's documents are deleted on this word: where two places disagree, nobody is named. */
function accountDid({ did: column, message }: Columns, account: Json): string {
  const [did, ...others] = [message.did, account.did, column].filter((each) => !isAbsent(each));
  if (typeof did !== "string" || !isDid(did)) throw bad("no_did", "nothing names the account");
  if (others.some((other) => other !== did)) throw bad("no_did", "several accounts are named");
  return did;
}

function readCommit(columns: Columns, options: RowOptions): RowResult {
  const { uri, did, message } = columns;
  const { commit } = message;
  if (!isObject(commit) || typeof commit.operation !== "string") {
    throw bad("bad_commit", "commit is not an object with an operation");
  }
  const places = { uri, did, message, commit };
  const collection = collectionOf(places);
  if (collection !== undefined && collection !== POSTS) return { skip: "other_collection" };
  const name = postNameOf(places);
  switch (commit.operation) {
    case "delete":
      return readDelete(columns, name, commit, options);
    case "create":
    case "update":
      return readPost(columns, name, { ...commit, operation: commit.operation }, options);
    default:
      throw bad("bad_operation", "the operation is not create, update or delete");
  }
}

function readDelete({ row, message }: Columns, { did, rkey }: PostName, commit: Json, options: RowOptions): RowEvent {
  const rev = textOrNone(commit.rev);
  const event: CommitEvent = {
    did,
    time_us: positive(message.time_us) ?? positive(tidMicros(rev)) ?? nowMicros(options),
    kind: "commit",
    commit: { ...(rev !== undefined && { rev }), operation: "delete", collection: POSTS, rkey },
    origin: options.origin,
    enriched: enrichedOf(row, options),
  };
  return { event, what: "delete" };
}

function readPost(
  { row, post, message, inferences: column }: Columns,
  { did, rkey }: PostName,
  { operation, rev, record, cid }: Json & { readonly operation: "create" | "update" },
  options: RowOptions,
): RowEvent {
  if (!isObject(record) || (record.$type !== undefined && record.$type !== POSTS)) {
    throw bad("bad_record", `the record is not an object of type ${POSTS}`);
  }
  const commit: Mutable<Commit> = textOrNone(rev) === undefined
    ? { operation, collection: POSTS, rkey, record }
    : { rev: rev as string, operation, collection: POSTS, rkey, record };
  if (textOrNone(cid) !== undefined) commit.cid = cid as string;
  const enriched = enrichedOf(row, options, post.hydrated_metadata);
  const inferences = row.inferences === null ? memberInferences(post.inferences) : column;
  if (typeof inferences === "string") enriched.inferences = inferences;
  const event: CommitEvent = {
    did,
    time_us: positive(message.time_us) ?? columnTime(row) ?? positive(tidMicros(rkey)) ?? fileTime(options),
    kind: "commit",
    commit,
    origin: options.origin,
    enriched,
  };
  const answered = uriIn(record.reply, "root") ?? uriIn(record.reply, "parent") ?? enriched.root ?? enriched.parent;
  const what = answered === undefined ? "post" : "reply";
  return inferences === null ? { event, what, badInferences: true } : { event, what };
}

/** The members in the order in which they are printed; inferences, where there are some, come last. */
function enrichedOf({ row, created_at }: Row, { file }: RowOptions, hydrated?: unknown): Mutable<Enriched> {
  const enriched: Mutable<Enriched> = { file, row };
  if (isObject(hydrated)) {
    // Its names are misleading: `reply_post` is what the thread began with.
    const root = uriIn(hydrated, "reply_post"), parent = uriIn(hydrated, "parent_post");
    const quote = uriIn(hydrated, "quote_post");
    if (root !== undefined) enriched.root = root;
    if (parent !== undefined) enriched.parent = parent;
    if (quote !== undefined) enriched.quote = quote;
  }
  const time = textOrNone(created_at);
  if (time !== undefined) enriched.created_at = time;
  return enriched;
}

function uriIn(value: unknown, name: string): string | undefined {
  const member = isObject(value) ? value[name] : undefined;
  return isObject(member) ? textOrNone(member.uri) : undefined;
}

/** When the row was enriched. */
function columnTime({ created_at }: Row): number | undefined {
  return positive(columnMicros(created_at));
}

function fileTime(options: RowOptions): number {
  return positive(options.fileTimeUs) ?? nowMicros(options);
}

function nowMicros({ now = Date.now }: RowOptions): number {
  return Math.floor(now() * 1000);
}
