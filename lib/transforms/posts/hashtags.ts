/**
 * The hashtags of posts: those that the author's client marked, and those that a reader of the text sees.
 *
 * @module
 */
import { fitsInto, textOrNone } from "../../net/text.ts";
import { listIn, memberOf } from "../elasticsearch/values.ts";

/** As the lexicon allows in `tags`. */
const MAX_TAG_BYTES = 640;

/**
 * All tags: of facets, of `tags`, of the text, in this order; lower case, NFC, without `#`, each of them once.
 *
 * @param record The post.
 * @param text Its text, well-formed and of bounded length.
 */
export function hashtagsOf(record: Readonly<Record<string, unknown>>, text: string): readonly string[] {
  const tags = new Set<string>();
  const add = (raw: unknown) => {
    const tag = tagOf(raw);
    if (tag !== undefined) tags.add(tag);
  };
  for (const facet of listIn(record, "facets")) {
    for (const feature of listIn(facet, "features")) {
      if (memberOf(feature, "$type") === "app.bsky.richtext.facet#tag") add(memberOf(feature, "tag"));
    }
  }
  listIn(record, "tags").forEach(add);
  tagsInText(text).forEach(add);
  return [...tags];
}

/** Tokens with a `/` before their first `#` are addresses. Tags may follow each other without a space. */
function tagsInText(text: string): string[] {
  if (!/[#＃]/.test(text)) return [];
  const tokens = text.split(/\s+/).filter((token) => /^[^/#＃]*[#＃]/.test(token));
  return tokens.flatMap((token) => [...token.matchAll(/[#＃]([\p{L}\p{M}\p{Nd}_]+)/gu)].map(([, tag]) => tag!));
}

function tagOf(raw: unknown): string | undefined {
  const tag = textOrNone(raw)?.toWellFormed().replace(/^[#＃]+/, "").toLowerCase().normalize("NFC");
  return tag === undefined || tag === "" || /^\p{Nd}+$/u.test(tag) || !fitsInto(tag, MAX_TAG_BYTES) ? undefined : tag;
}
