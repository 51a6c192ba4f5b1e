/**
 * Rows of posts and of their deletes.
 *
 * @module
 */
import { tid } from "../../lib/simulate/ids.ts";
import type { Columns } from "./database.ts";
import { columnsOf, columnText, type Fields, type FileRows, millisText, type Notes, type Post } from "./row.ts";

const COLLECTION = "app.bsky.feed.post";
/** How long after a post's commit Jetstream tells of it, and how long after that its row is written. */
const COMMIT_LAG_US = 150_000, ENRICHED_LAG_US = 60_000_000;

const FAR_AHEAD_US = 600_000_000;
/** https://atproto.com/specs/tid */
const TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz";

/** A media item of a document. */
export type MediaItem = Readonly<Record<string, unknown>> & { readonly media_type: "image" | "video" };

/** A row to be: what differs from a plain post with a text. */
export interface PostSpec {
  readonly shows: string;
  readonly text?: unknown;
  /** Members of the record besides `$type`, `createdAt`, `text`; they replace those. */
  readonly record?: Readonly<Record<string, unknown>>;
  /** Document fields besides the usual ones; they replace those. */
  readonly fields?: Fields;
  readonly media?: readonly MediaItem[];
  /** Whether it is an answer. */
  readonly reply?: boolean;
  readonly hydrated?: unknown;
  /** The column's text; default NULL. */
  readonly inferences?: string | null;
  readonly notes?: Notes;
  readonly author?: string;
  readonly rkey?: string;
  /** The state of a post that has been written before; default: a new post. */
  readonly of?: Post;
  readonly operation?: "create" | "update";
  /** Of the kind without `rev`, whose time is the author's. */
  readonly override?: boolean;
  /** When the commit was made; default: shortly before now. */
  readonly revUs?: number;
  /** Null: the message has none. */
  readonly timeUs?: number | null;
  /** Changes the columns after all else. */
  readonly columns?: (columns: Columns) => Partial<Columns>;
}

/** Adds the row of a post. */
export function post(file: FileRows, spec: PostSpec): Post {
  const nowUs = file.tick();
  const createdUs = nowUs - 2_000_000 - nowUs % 1000;
  const timeUs = spec.timeUs === undefined ? (spec.override ? createdUs : nowUs) : spec.timeUs;
  const revUs = spec.revUs ?? nowUs - COMMIT_LAG_US;
  const author = spec.of?.author ?? spec.author ?? file.person(file.rows.length % 40);
  const rkey = spec.of?.rkey ?? spec.rkey ?? tid(createdUs, file.rows.length);
  const written: Post = { author, rkey, revUs, uri: `at://${author}/${COLLECTION}/${rkey}`, cid: file.cid() };
  const text = spec.text ?? `${spec.shows}.`, createdAt = millisText(createdUs);
  const enrichedUs = nowUs + ENRICHED_LAG_US;
  const columns = columnsOf({
    at_uri: written.uri,
    did: author,
    message: messageOf(written, { $type: COLLECTION, createdAt, text, ...spec.record }, timeUs, spec),
    us: enrichedUs,
    inferences: spec.inferences ?? null,
    hydrated: spec.hydrated ?? { user: { did: author, handle: null }, mentions: [] },
    ...(spec.override && { override: ["featured"] }),
  });
  const usual = { at_uri: written.uri, author_did: author, content: text, created_at: createdAt };
  file.rows.push({
    shows: spec.shows,
    columns: { ...columns, ...spec.columns?.(columns) },
    becomes: {
      what: spec.reply ? "reply" : "post",
      uri: written.uri,
      at: orderOf({ revUs: spec.override ? undefined : revUs, timeUs: timeUs ?? enrichedUs, rkey }),
      fields: { ...usual, ...mediaFields(spec.media ?? []), enriched: true, ...spec.fields },
    },
    ...(spec.notes && { notes: spec.notes }),
  });
  return written;
}

/** The Jetstream event of a post. */
function messageOf({ author, rkey, revUs, cid }: Post, record: unknown, timeUs: number | null, spec: PostSpec) {
  const commit = {
    ...(!spec.override && { rev: tid(revUs, 1) }),
    operation: spec.operation ?? "create",
    collection: COLLECTION,
    rkey,
    record,
    cid,
  };
  return { did: author, ...(timeUs !== null && { time_us: timeUs }), kind: "commit", commit };
}

/**
 * What orders the states of a post, in microseconds. A rev that lies far ahead of the time at which it was witnessed orders
 * nothing, and without one it is the key, which is older than all that is known besides.
 */
function orderOf({ revUs, timeUs, rkey }: { revUs: number | undefined; timeUs: number; rkey: string }): number {
  if (revUs !== undefined) return revUs > timeUs + FAR_AHEAD_US ? timeUs : revUs;
  return Math.min(timeUs, [...rkey.slice(0, 11)].reduce((sum, digit) => sum * 32 + TID_DIGITS.indexOf(digit), 0));
}

function mediaFields(media: readonly MediaItem[]): Fields {
  const images = media.filter(({ media_type }) => media_type === "image").length;
  const videos = media.length - images;
  return {
    ...(media.length > 0 && { media }),
    contains_images: images > 0,
    contains_video: videos > 0,
    image_count: images,
    video_count: videos,
    media_count: media.length,
  };
}

/** A row of a delete: what differs from one of a post that was written before. */
export interface DeleteSpec {
  readonly shows: string;
  /** Default: now. */
  readonly atUs?: number;
  /** Leaves out what orders it, or when it was witnessed. */
  readonly without?: "rev" | "time_us";
}

/** Adds the row of a post's delete. */
export function deletePost(file: FileRows, { author, rkey, uri }: Omit<Post, "revUs" | "cid">, spec: DeleteSpec): void {
  const nowUs = file.tick();
  const timeUs = spec.atUs ?? nowUs;
  const revUs = timeUs - COMMIT_LAG_US;
  const message = {
    did: author,
    ...(spec.without !== "time_us" && { time_us: timeUs }),
    kind: "commit",
    commit: {
      ...(spec.without !== "rev" && { rev: tid(revUs, 1) }),
      operation: "delete",
      collection: COLLECTION,
      rkey,
    },
  };
  file.rows.push({
    shows: spec.shows,
    columns: columnsOf({ at_uri: uri, did: author, message, us: nowUs + ENRICHED_LAG_US }),
    becomes: {
      what: "delete",
      uri,
      at: spec.without === "rev" ? timeUs : revUs,
      deleted_at: millisText(spec.without === "time_us" ? revUs : timeUs),
    },
  });
}

/** A post that is not in any file: what a delete may be about. */
export function unseenPost(file: FileRows): Post {
  const { uri, cid } = file.elsewhere();
  const [, author, , rkey] = /^at:\/\/([^/]+)\/([^/]+)\/(.+)$/.exec(uri)!;
  return { author: author!, rkey: rkey!, uri, cid, revUs: 0 };
}

/** Adds the row of an account's state. */
export function account(
  file: FileRows,
  spec: { shows: string; did: string; active: boolean; status?: string; purges?: boolean },
): void {
  const timeUs = file.tick();
  const { did, active, status } = spec;
  const message = {
    did,
    time_us: timeUs,
    kind: "account",
    account: { active, did, seq: timeUs % 1e9, time: millisText(timeUs), ...(status && { status }) },
  };
  file.rows.push({
    shows: spec.shows,
    columns: columnsOf({ at_uri: "", did, message, us: timeUs + ENRICHED_LAG_US }),
    becomes: spec.purges
      ? { what: "account_deletion", did, at: timeUs, deleted_at: millisText(timeUs) }
      : { skip: "account" },
  });
}

/** Adds a row whose message is not about a post. */
export function skipped(
  file: FileRows,
  spec: {
    shows: string;
    skip: "identity" | "other_kind" | "other_collection";
    message: (did: string, timeUs: number) => Record<string, unknown>;
    at_uri?: (did: string) => string;
  },
): void {
  const timeUs = file.tick();
  const did = file.person(file.rows.length % 40);
  const message = { did, time_us: timeUs, ...spec.message(did, timeUs) };
  const at_uri = spec.at_uri?.(did) ?? "";
  const columns = columnsOf({ at_uri, did, message, us: timeUs + ENRICHED_LAG_US });
  file.rows.push({ shows: spec.shows, columns, becomes: { skip: spec.skip } });
}

/** The same as the column `created_at` of a row that is written at `us`. */
export function enrichedText(us: number): string {
  return columnText(us + ENRICHED_LAG_US);
}
