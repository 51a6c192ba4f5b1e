/**
 * What a document may say of a post: fields of its record, and of what else is known about it.
 *
 * @module
 */
import type { CommitEvent } from "../atproto/event.ts";
import { textOrNone } from "../net/text.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { parseCreatedAt } from "./elasticsearch/created_at.ts";
import { type Clean, cleaner, listIn, memberOf, recordOf, textsOf } from "./elasticsearch/values.ts";
import type { VectorFault } from "./embeddings/codec.ts";
import { hashtagsOf } from "./posts/hashtags.ts";
import { type ExternalEmbed, externalOf, type MediaItem, mediaOf } from "./posts/media.ts";

export type { ExternalEmbed, MediaItem } from "./posts/media.ts";

/** What hydration and inference found out about a post. */
export interface Enrichment {
  /** URI of the post that the thread began with. */
  readonly root?: string | undefined;
  /** URI of the post that was answered. */
  readonly parent?: string | undefined;
  /** URI of the post that was quoted. */
  readonly quote?: string | undefined;
  /** Vectors by the name of their field in `embeddings`, such as `all_MiniLM_L12_v2`. */
  readonly vectors?: Readonly<Record<string, Float32Array>> | undefined;
  /** What is said in its video. */
  readonly videoTranscript?: string | undefined;
  /** The language of that. */
  readonly videoTranscriptLanguage?: string | undefined;
}

/** What is counted while posts become documents. */
export interface PostCounters {
  /** Vectors that could not be used, by model, then by reason. */
  readonly vectorsDropped: Map<string, Map<VectorFault, number>>;
  /** Strings that were cut at 32 KiB. */
  truncatedFields: number;
  /** Times that no date had to be made of. */
  readonly createdAt: {
    /** It was clear what was meant. */
    repaired: number;
    /** The text said nothing: the event's time stands in. */
    fallback: number;
  };
}

/** All zero. */
export function createPostCounters(): PostCounters {
  return { vectorsDropped: new Map(), truncatedFields: 0, createdAt: { repaired: 0, fallback: 0 } };
}

/** What a post's fields are made of besides the event. */
export interface PostOptions {
  /** The post's AT-URI. */
  readonly uri: string;
  /** Stands in for what the record does not say. */
  readonly enrichment?: Enrichment | undefined;
  /** Told of repaired times and cut strings. */
  readonly counters?: PostCounters | undefined;
}

/** The fields that every index of posts has, in the order of the document. */
export interface PostBasics {
  /** The post's AT-URI. */
  readonly at_uri: string;
  /** Who wrote it. */
  readonly author_did: string;
  /** The text; empty where there is none. */
  readonly content: string;
  /** The author's own characters where Elasticsearch takes them for a date. */
  readonly created_at: string;
  /** The AT-URI of the post that the thread began with. */
  readonly thread_root_post?: string | undefined;
  /** The AT-URI of the post that this one answers. */
  readonly thread_parent_post?: string | undefined;
  /** Only posts: a feed or list that is embedded is no quote. */
  readonly quote_post?: string | undefined;
}

/** All fields, in their order. Absent means none. */
export interface PostFields extends PostBasics {
  /** By the name of the field. */
  readonly embeddings?: Readonly<Record<string, Float32Array>>;
  /** Images, or one video, in their order. */
  readonly media?: readonly MediaItem[];
  /** Whether one of `media` is an image. */
  readonly contains_images: boolean;
  /** Whether one of `media` is a video. */
  readonly contains_video: boolean;
  /** Images in `media`. */
  readonly image_count: number;
  /** Videos in `media`. */
  readonly video_count: number;
  /** How many `media` there are. */
  readonly media_count: number;
  /** A link with its card. */
  readonly external_embed?: ExternalEmbed;
  /** What is said in the video. */
  readonly video_transcript?: string;
  /** The language of that. */
  readonly video_transcript_language?: string;
  /** Languages that the author named, at most 20. */
  readonly langs?: readonly string[];
  /** Labels that the author put on it. */
  readonly self_labels?: readonly string[];
  /** Lower case, without `#`. */
  readonly hashtags?: readonly string[];
  /** Only of rows of Megastream files. */
  readonly enriched?: true;
}

const COLLECTION = "app.bsky.feed.post";
const POST_URI = /^at:\/\/[^/]+\/app\.bsky\.feed\.post\//;
const MAX_LANGS = 20;

/**
 * The basic fields of a post that was created or updated; those without a value are `undefined`.
 *
 * @throws {PoisonError} `bad_record` for a record that is not an object or of another type.
 */
export function postBasics(event: CommitEvent, options: PostOptions): PostBasics {
  return basicsOf(event, postOf(event), cleanerOf(options), options);
}

function basicsOf(
  event: CommitEvent,
  record: PostRecord,
  clean: Clean,
  { uri, enrichment, counters }: PostOptions,
): PostBasics {
  const created = parseCreatedAt(record.createdAt, event.time_us);
  if (counters && created.flag) counters.createdAt[created.flag]++;
  return {
    at_uri: uri,
    author_did: event.did,
    content: clean(record.text) ?? "",
    created_at: created.text,
    thread_root_post: clean(uriIn(record.reply, "root") ?? enrichment?.root),
    thread_parent_post: clean(uriIn(record.reply, "parent") ?? enrichment?.parent),
    quote_post: clean(quotedPost(record.embed) ?? enrichment?.quote),
  };
}

/**
 * All fields of a post that was created or updated.
 *
 * @throws {PoisonError} `bad_record` for a record that is not an object or of another type.
 */
export function postFields(event: CommitEvent, options: PostOptions): PostFields {
  const record = postOf(event);
  const clean = cleanerOf(options);
  const { vectors = {}, videoTranscript, videoTranscriptLanguage } = options.enrichment ?? {};
  const basics = basicsOf(event, record, clean, options);
  const media = mediaOf(record.embed, clean);
  const images = media.filter(({ media_type }) => media_type === "image").length;
  const videos = media.length - images;
  return withoutNone({
    ...basics,
    embeddings: Object.keys(vectors).length === 0 ? undefined : vectors,
    media: someOf(media),
    contains_images: images > 0,
    contains_video: videos > 0,
    image_count: images,
    video_count: videos,
    media_count: media.length,
    external_embed: externalOf(record.embed, clean),
    video_transcript: videoTranscript?.toWellFormed(),
    video_transcript_language: videoTranscriptLanguage?.toWellFormed(),
    langs: someOf(textsOf(record.langs, clean).slice(0, MAX_LANGS)),
    self_labels: someOf(textsOf(listIn(record.labels, "values").map((label) => memberOf(label, "val")), clean)),
    hashtags: someOf(hashtagsOf(record, basics.content)),
    enriched: event.enriched === undefined ? undefined : true,
  });
}

type PostRecord = Readonly<Record<string, unknown>>;

function postOf(event: CommitEvent): PostRecord {
  const record = recordOf(event);
  if (record.$type === undefined || record.$type === COLLECTION) return record;
  throw new PoisonError("bad_record", `Cannot write post: $type of its record is not ${COLLECTION}`);
}

function cleanerOf({ counters }: PostOptions): Clean {
  return cleaner(counters && (() => counters.truncatedFields++));
}

function uriIn(value: unknown, name: string): string | undefined {
  return textOrNone(memberOf(memberOf(value, name), "uri"));
}

/** The URI that a record quotes, if it is a post's: feeds, lists and starter packs are embedded in the same way. */
function quotedPost(embed: unknown): string | undefined {
  const type = memberOf(embed, "$type");
  let quoted: string | undefined;
  if (type === "app.bsky.embed.record") quoted = uriIn(embed, "record");
  else if (type === "app.bsky.embed.recordWithMedia") quoted = uriIn(memberOf(embed, "record"), "record");
  return quoted !== undefined && POST_URI.test(quoted) ? quoted : undefined;
}

function someOf<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

type WithoutNone<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without the members that are `undefined`, in the same order. */
function withoutNone<T extends object>(fields: T): WithoutNone<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as WithoutNone<T>;
}
