/**
 * What an index of layout `classic` holds after all files, worked out from what their rows were declared to become.
 *
 * @module
 */
import type { Fields, RowCase } from "./row.ts";

/** A document without `indexed_at`. */
export interface GoldenDocument {
  /** The alias. */
  readonly index: "posts" | "post_tombstones";
  readonly id: string;
  readonly source: Readonly<Record<string, unknown>>;
}

/** Fields of a post that layout `classic` keeps, and the vectors that it keeps. */
const CLASSIC = [
  "at_uri",
  "author_did",
  "content",
  "created_at",
  "thread_root_post",
  "thread_parent_post",
  "quote_post",
];
const CLASSIC_VECTORS = ["all_MiniLM_L12_v2", "all_MiniLM_L6_v2"];

/** The last that is known of a record: what came later is newer, and of the same time a delete is newer than a post. */
interface State {
  readonly at: number;
  readonly deleted: boolean;
  readonly source: Readonly<Record<string, unknown>>;
}

/** The documents that there are in the end, by alias and id. */
export function classicDocuments(rows: Iterable<RowCase>): readonly GoldenDocument[] {
  const posts = new Map<string, State>(), tombstones = new Map<string, State>();
  const bury = (uri: string, author_did: string, at: number, deleted_at: string) => {
    const state = { at, deleted: true, source: { at_uri: uri, author_did, deleted_at } };
    for (const states of [posts, tombstones]) if (isNewer(state, states.get(uri))) states.set(uri, state);
  };
  for (const { becomes } of rows) {
    if (!("what" in becomes)) continue;
    const { at } = becomes;
    if (becomes.what === "delete") bury(becomes.uri, authorOf(becomes.uri), at, becomes.deleted_at);
    else if (becomes.what === "account_deletion") {
      for (const [uri, { deleted, at: before }] of [...posts]) {
        if (authorOf(uri) === becomes.did && !deleted && before < at) bury(uri, becomes.did, at, becomes.deleted_at);
      }
    } else {
      const state = { at, deleted: false, source: classicFields(becomes.fields) };
      if (isNewer(state, posts.get(becomes.uri))) posts.set(becomes.uri, state);
    }
  }
  const living = [...posts].filter(([, { deleted }]) => !deleted);
  return [...documents("post_tombstones", tombstones), ...documents("posts", living)];
}

function isNewer(state: State, than: State | undefined): boolean {
  return than === undefined || state.at > than.at || (state.at === than.at && (state.deleted || !than.deleted));
}

function authorOf(uri: string): string {
  return uri.split("/")[2]!;
}

function documents(index: GoldenDocument["index"], states: Iterable<[string, State]>): GoldenDocument[] {
  const sorted = [...states].sort(([a], [b]) => a < b ? -1 : 1);
  return sorted.map(([id, { source }]) => ({ index, id, source }));
}

function classicFields(fields: Fields): Record<string, unknown> {
  const kept = Object.fromEntries(CLASSIC.filter((name) => name in fields).map((name) => [name, fields[name]]));
  const vectors = Object.entries(fields["embeddings"] ?? {}).filter(([name]) => CLASSIC_VECTORS.includes(name));
  return vectors.length > 0 ? { ...kept, embeddings: Object.fromEntries(vectors) } : kept;
}
