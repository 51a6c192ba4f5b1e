/**
 * Rows, each declared together with what it must become. Nothing in here may ask the program that is tested.
 *
 * @module
 */
import { blobCid, cid, did, mix, tid } from "../../lib/simulate/ids.ts";
import type { Columns } from "./database.ts";

/** The fields of a post's document, `spec/megastream.md` section 7. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a row must become. `at`: microseconds that order the states of a record. */
export type Becomes =
  | { readonly what: "post" | "reply"; readonly uri: string; readonly at: number; readonly fields: Fields }
  | { readonly what: "delete"; readonly uri: string; readonly at: number; readonly deleted_at: string }
  | { readonly what: "account_deletion"; readonly did: string; readonly at: number; readonly deleted_at: string }
  | { readonly skip: "account" | "identity" | "other_kind" | "other_collection" }
  | { readonly reject: string };

/** What is counted besides. */
export interface Notes {
  /** The author's time was no date as it stood. */
  readonly created_at_flag?: "repaired" | "fallback";
  /** The inferences are not what they should be. */
  readonly bad_inferences?: true;
  /** Vectors that are not used, by the model's key, with the reason; of all four models. */
  readonly vectors_dropped?: Readonly<Record<string, string>>;
  /** Fields that were cut. */
  readonly truncated?: readonly string[];
}

/** A row and what it must become. */
export interface RowCase {
  /** What it shows. */
  readonly shows: string;
  readonly columns: Columns;
  readonly becomes: Becomes;
  readonly notes?: Notes;
}

/** A record that others refer to. */
export interface Reference {
  readonly uri: string;
  readonly cid: string;
}

/** A post that was written. */
export interface Post extends Reference {
  readonly author: string;
  readonly rkey: string;
  /** Of its commit. */
  readonly revUs: number;
}

/** Rows of one file in the making. */
export interface FileRows {
  readonly rows: RowCase[];
  /** The file's time, in microseconds. */
  readonly timeUs: number;
  /** Somebody; the same one for the same number in every file. */
  person(n: number): string;
  /** A blob's CID; another one each time. */
  blob(): string;
  /** A record's CID; another one each time. */
  cid(): string;
  /** A record of another collection, or a post, that is in no file. */
  elsewhere(collection?: string): Reference;
  /** Moves on to the next row's time, in microseconds. */
  tick(): number;
  /** Up to 2^32, the same for the same `n` in this file. */
  chance(n: number): number;
}

/** Numbers far from each other: `mix` takes the following ones too. */
const SALT = { person: 100, blob: 200, cid: 300, chance: 400 };

/**
 * Begins a file.
 *
 * @param start `YYYY-MM-DDTHH:MM:SSZ`, the file's time.
 * @param options.rng The same number gives the same rows.
 * @param options.stepMs Time between rows.
 */
export function fileRows(start: string, { rng, stepMs = 1000 }: { rng: number; stepMs?: number }): FileRows {
  const timeUs = Date.parse(start) * 1000;
  const seed = mix(rng, 1), own = mix(rng, timeUs / 1e6);
  let now = timeUs, made = 0;
  const person = (n: number) => did(n, seed + SALT.person);
  return {
    rows: [],
    timeUs,
    person,
    blob: () => blobCid(made++, own + SALT.blob),
    cid: () => cid(made++, own + SALT.cid),
    elsewhere(collection = "app.bsky.feed.post") {
      const n = made++;
      const rkey = tid(timeUs - 86_400e6 - mix(n, own) % 86_400e6, n);
      return { uri: `at://${person(1000 + n)}/${collection}/${rkey}`, cid: cid(n, own + SALT.cid) };
    },
    tick: () => now += stepMs * 1000 + now % 7,
    chance: (n) => mix(n, own + SALT.chance),
  };
}

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
export function millisText(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString();
}

/** `YYYY-MM-DD HH:MM:SS`, as the column `created_at`. */
export function columnText(us: number): string {
  return millisText(us).slice(0, 19).replace("T", " ");
}

/** The columns of a row whose message is `message`. */
export function columnsOf(
  { at_uri, did, message, us, inferences, hydrated = {}, override }: {
    at_uri: string;
    did: string;
    message: unknown;
    /** When the row was enriched, in microseconds. */
    us: number;
    /** The column's text. */
    inferences?: string | null;
    hydrated?: unknown;
    override?: readonly string[];
  },
): Columns {
  const raw = {
    at_uri,
    did,
    time_us: null,
    message,
    hydrated_metadata: hydrated,
    ...(override && { override_algorithms: override }),
  };
  return { at_uri, did, raw_post: JSON.stringify(raw), inferences: inferences ?? null, created_at: columnText(us) };
}
