/**
 * Settings and mappings of the indices of layout `classic`.
 *
 * @module
 */
import { CLASSIC_EMBEDDINGS, dimsByField, modelsOf } from "../embeddings/models.ts";
import type { Kind } from "./kinds.ts";

/** How indices are made. */
export interface IndexBodyOptions {
  /** `searchable`: with a kNN index; `stored`: only kept. */
  readonly vectors: "stored" | "searchable";
  /** Dimensions of vectors by their field in `embeddings`, besides `all_MiniLM_L12_v2` and `all_MiniLM_L6_v2`, which every index has. */
  readonly embeddings?: Readonly<Record<string, number>>;
  /** Default: 1. */
  readonly shards?: number;
  /** Default: 1. */
  readonly replicas?: number;
}

/** The body of the request that makes an index. */
export interface IndexBody {
  /** Under `settings`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Under `mappings`. */
  readonly mappings: Readonly<Record<string, unknown>>;
}

type Properties = Readonly<Record<string, unknown>>;

/** A longer term would make Elasticsearch refuse the document: the value is kept, but not searchable. */
const KEYWORD = { type: "keyword", ignore_above: 8191 };
const DATE = { type: "date" };
const BOOLEAN = { type: "boolean" };
/** Stored as it is, and never looked into: no lexicon can spoil the mapping. */
const OPAQUE = { type: "object", enabled: false };

const CLASSIC_DIMS = dimsByField(modelsOf(CLASSIC_EMBEDDINGS));
const ANALYSIS = { analyzer: { content_analyzer: { type: "standard", stopwords: "_english_" } } };

const all = (type: unknown, ...names: string[]): Properties => Object.fromEntries(names.map((name) => [name, type]));

/** The fields of every kind; of posts without `embeddings`. */
const FIELDS: Readonly<Record<Kind, Properties>> = {
  likes: {
    ...all(KEYWORD, "uri", "subject_uri", "author_did"),
    at_uri: { type: "alias", path: "uri" },
    ...all(DATE, "created_at", "indexed_at"),
  },
  posts: {
    ...all(KEYWORD, "at_uri", "author_did", "thread_root_post", "thread_parent_post", "quote_post"),
    ...all(DATE, "created_at", "indexed_at"),
    content: { type: "text", analyzer: "content_analyzer", fields: { raw: KEYWORD } },
  },
  post_tombstones: { ...all(KEYWORD, "at_uri", "author_did"), ...all(DATE, "deleted_at", "indexed_at") },
  reposts: { ...all(KEYWORD, "at_uri", "subject_uri", "author_did"), ...all(DATE, "created_at", "indexed_at") },
  follows: { ...all(KEYWORD, "at_uri", "author_did", "subject_did"), ...all(DATE, "created_at", "indexed_at") },
  blocks: { ...all(KEYWORD, "at_uri", "author_did", "subject_did"), ...all(DATE, "created_at", "indexed_at") },
  records: {
    ...all(KEYWORD, "at_uri", "author_did", "collection", "rkey", "cid", "rev"),
    ...all(DATE, "created_at", "indexed_at"),
    record: OPAQUE,
  },
  accounts: { ...all(KEYWORD, "did", "status"), active: BOOLEAN, ...all(DATE, "event_at", "indexed_at") },
  identities: { ...all(KEYWORD, "did", "handle"), ...all(DATE, "event_at", "indexed_at") },
  labels: {
    ...all(KEYWORD, "src", "uri", "cid", "val"),
    neg: BOOLEAN,
    ...all(DATE, "cts", "exp", "indexed_at"),
  },
  repos: {
    ...all(KEYWORD, "did", "host", "head", "rev", "status"),
    active: BOOLEAN,
    ...all(DATE, "listed_at", "indexed_at"),
  },
};

/** Settings and mappings of the index of a kind. */
export function indexBody(kind: Kind, options: IndexBodyOptions): IndexBody {
  const isPosts = kind === "posts";
  const properties = isPosts ? { ...FIELDS.posts, embeddings: embeddings(options) } : FIELDS[kind];
  return {
    settings: {
      index: {
        number_of_shards: options.shards ?? 1,
        number_of_replicas: options.replicas ?? 1,
        gc_deletes: "1h",
        ...(isPosts && { analysis: ANALYSIS }),
      },
    },
    mappings: { dynamic: false, properties },
  };
}

function embeddings({ vectors, embeddings }: IndexBodyOptions): Properties {
  const vector = vectors === "searchable" ? { index: true, similarity: "cosine" } : { index: false };
  const dimsOf = { ...CLASSIC_DIMS, ...embeddings };
  const fields = Object.entries(dimsOf).map(([name, dims]) => [name, { type: "dense_vector", dims, ...vector }]);
  return { type: "object", dynamic: false, properties: Object.fromEntries(fields) };
}
