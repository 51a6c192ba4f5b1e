/**
 * Images, videos and links that are embedded in posts (lexicons `app.bsky.embed.*`).
 *
 * @module
 */
import { type Clean, listIn, memberOf } from "../elasticsearch/values.ts";

/** An image or a video. */
export interface MediaItem {
  /** The CID of its blob. */
  readonly id: string;
  /** What it is. */
  readonly media_type: "image" | "video";
  /** As the author's client says: `image/jpeg`. */
  readonly mime_type?: string;
  /** In bytes, as the author's client says. */
  readonly size?: number;
  /** In whatever unit; 0 where it is unknown. */
  readonly width: number;
  /** In the same unit; 0 where it is unknown. */
  readonly height: number;
  /** Width by height; 0 where they are unknown. */
  readonly aspect_ratio: number;
  /** What it shows, in the author's words. */
  readonly alt_text?: string;
}

/** A link with its card. */
export interface ExternalEmbed {
  /** Where it leads. */
  readonly uri: string;
  /** As the author's client found it. */
  readonly title?: string;
  /** As the author's client found it. */
  readonly description?: string;
}

/** The images or the video of an embed, in order. What names no blob is left out. */
export function mediaOf(embed: unknown, clean: Clean): readonly MediaItem[] {
  const media = mediaPartOf(embed);
  switch (memberOf(media, "$type")) {
    case "app.bsky.embed.images":
      return listIn(media, "images").flatMap((image) => itemOf("image", memberOf(image, "image"), image, clean));
    case "app.bsky.embed.video":
      return itemOf("video", memberOf(media, "video"), media, clean);
    default:
      return [];
  }
}

/** The link of an embed, if it has one. */
export function externalOf(embed: unknown, clean: Clean): ExternalEmbed | undefined {
  const media = mediaPartOf(embed);
  if (memberOf(media, "$type") !== "app.bsky.embed.external") return undefined;
  const external = memberOf(media, "external");
  const uri = clean(memberOf(external, "uri"));
  if (uri === undefined) return undefined;
  const title = clean(memberOf(external, "title")), description = clean(memberOf(external, "description"));
  return { uri, ...(title !== undefined && { title }), ...(description !== undefined && { description }) };
}

/** A quote with media has them one level deeper. */
function mediaPartOf(embed: unknown): unknown {
  return memberOf(embed, "$type") === "app.bsky.embed.recordWithMedia" ? memberOf(embed, "media") : embed;
}

/** @param holder What has `alt` and `aspectRatio`. */
function itemOf(media_type: MediaItem["media_type"], blob: unknown, holder: unknown, clean: Clean): MediaItem[] {
  // Blobs of 2022 and 2023 have their `cid` in place of a `ref`.
  const id = clean(memberOf(memberOf(blob, "ref"), "$link")) ?? clean(memberOf(blob, "cid"));
  if (id === undefined) return [];
  const mime_type = clean(memberOf(blob, "mimeType")), alt_text = clean(memberOf(holder, "alt"));
  const size = memberOf(blob, "size");
  return [{
    id,
    media_type,
    ...(mime_type !== undefined && { mime_type }),
    ...(isSize(size) && { size }),
    ...ratioOf(memberOf(holder, "aspectRatio")),
    ...(alt_text !== undefined && { alt_text }),
  }];
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What an `integer` of Elasticsearch holds. */
const MAX_INTEGER = 2 ** 31 - 1;

function isLength(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_INTEGER;
}

function ratioOf(ratio: unknown): Pick<MediaItem, "width" | "height" | "aspect_ratio"> {
  const width = memberOf(ratio, "width"), height = memberOf(ratio, "height");
  if (!isLength(width) || !isLength(height)) return { width: 0, height: 0, aspect_ratio: 0 };
  return { width, height, aspect_ratio: width / height };
}
