/**
 * The records of simulated people as JSON text. What they say is a pure function of numbers.
 *
 * @module
 */
import { blobCid, cid, did, didNumber, flat, mix, tid } from "./ids.ts";
import { LANGUAGES, NAMES, TAGS, TITLES } from "./vocabulary.ts";

/** How many posts get all the likes, reposts and replies. */
const POPULAR = 4096;
/** The first of those posts was written in November 2024, then one came every four minutes. */
const POPULAR_EPOCH_US = 1_730_419_200_000_000, POPULAR_STEP_US = 240_000_000;

/** What a salt is for: numbers far from each other, as each takes the following ones too. */
const SALT = { did: 100, cid: 200, popular: 300, via: 400, content: 500, blob: 600 };

/** Makes the records of one simulated network. */
export interface Records {
  /** The DID of an account, 0 to `accounts` - 1. */
  account(n: number): string;
  /** The account of a DID, `undefined` where it is nobody's. */
  accountOf(did: string): number | undefined;
  /** The CID of event `i`'s record. */
  cid(i: number): string;
  like(i: number, createdAt: string): string;
  repost(i: number, createdAt: string): string;
  post(i: number, createdAt: string): string;
  /** Follows, blocks: the subject is an account. */
  towards(collection: string, i: number, createdAt: string): string;
  profile(i: number, createdAt: string): string;
  /** Of any other collection. */
  thing(collection: string, i: number, createdAt: string): string;
  handle(n: number): string;
}

/** @param rng The same number gives the same accounts and the same texts. */
export function createRecords(rng: number, accounts: number): Records {
  const seed = mix(rng, 1);
  const memo = (make: (n: number) => string) => {
    const made: string[] = [];
    return (n: number) => made[n] ??= flat(make(n));
  };
  const account = memo((n) => did(n, seed + SALT.did));
  const reference = (collection: string, n: number, salt: number) => {
    const author = account(mix(n, salt) % accounts);
    const rkey = tid(POPULAR_EPOCH_US + n * POPULAR_STEP_US + mix(n, salt + 1) % 1_000_000, n);
    return `{"cid":"${cid(n, salt + 2)}","uri":"at://${author}/${collection}/${rkey}"}`;
  };
  const popular = memo((n) => reference("app.bsky.feed.post", n, seed + SALT.popular));
  const via = memo((n) => reference("app.bsky.feed.repost", n, seed + SALT.via));
  const content = (i: number, salt = 0) => mix(i, seed + SALT.content + salt);
  const reaction = (collection: string, i: number, createdAt: string, viaShare: number) => {
    const bits = content(i);
    const other = bits % 100 < viaShare ? `,"via":${via(bits >>> 20)}` : "";
    return `{"$type":"${collection}","createdAt":"${createdAt}","subject":${popular(bits >>> 20)}${other}}`;
  };
  return {
    account,
    accountOf(did) {
      const n = didNumber(did, seed + SALT.did);
      return n !== undefined && n < accounts ? n : undefined;
    },
    cid: (i) => cid(i, seed + SALT.cid),
    like: (i, createdAt) => reaction("app.bsky.feed.like", i, createdAt, 17),
    repost: (i, createdAt) => reaction("app.bsky.feed.repost", i, createdAt, 40),
    post(i, createdAt) {
      const bits = content(i), more = content(i, 1);
      const [before, facets] = opening(bits, more);
      const language = LANGUAGES[Math.min(bits % LANGUAGES.length, more % LANGUAGES.length)]!;
      const embed = bits >>> 28 < 5 ? `"embed":${embedOf(i, bits, more, seed)},` : "";
      const reply = bits >>> 31 === 1 ? `"reply":${replyTo(popular(more >>> 20), popular(bits % POPULAR), more)},` : "";
      return `{"$type":"app.bsky.feed.post","createdAt":"${createdAt}",${embed}${facets}"langs":["${language.tag}"],` +
        `${reply}"text":"${before}${writing(language.sentences, bits, more, MOST_IN_POST - before.length)}"}`;
    },
    towards: (collection, i, createdAt) =>
      `{"$type":"${collection}","createdAt":"${createdAt}","subject":"${account(content(i) % accounts)}"}`,
    profile: (i, createdAt) =>
      `{"$type":"app.bsky.actor.profile","avatar":${image(i, seed)},"createdAt":"${createdAt}",` +
      `"description":"${writing(LANGUAGES[0]!.sentences, content(i), content(i, 1), MOST_IN_PROFILE)}",` +
      `"displayName":"${name(content(i))}"}`,
    thing: (collection, i, createdAt) =>
      `{"$type":"${collection}","createdAt":"${createdAt}","subject":"${account(content(i) % accounts)}",` +
      `"text":"${writing(LANGUAGES[0]!.sentences, content(i), content(i, 1))}"}`,
    handle: (n) => `${name(mix(n, seed))}-${n}.example.com`,
  };
}

/** What the lexicons allow, in graphemes; no text here has more of those than characters. */
const MOST_IN_POST = 300, MOST_IN_PROFILE = 256;

/** One to four sentences, of `most` characters together. */
function writing(sentences: readonly string[], bits: number, more: number, most = Infinity): string {
  let text = sentences[(bits >>> 4) % sentences.length]!;
  for (let n = 0; n < (more >>> 5) % 4; n++) {
    const next = sentences[(more >>> (7 + 5 * n)) % sentences.length]!;
    if (text.length + 1 + next.length > most) break;
    text += " " + next;
  }
  return text;
}

function name(bits: number): string {
  return NAMES[bits % NAMES.length]! + NAMES[(bits >>> 8) % NAMES.length]!;
}

/** What a post begins with, and the facets that say so. */
function opening(bits: number, more: number): [text: string, facets: string] {
  const kind = (bits >>> 12) % 8;
  if (kind > 1) return ["", ""];
  const tag = TAGS[more % TAGS.length]!;
  const link = `${name(more)}.example.com/${more >>> 12}`;
  const text = kind === 0 ? `#${tag}` : link;
  const feature = kind === 0
    ? `{"$type":"app.bsky.richtext.facet#tag","tag":"${tag}"}`
    : `{"$type":"app.bsky.richtext.facet#link","uri":"https://${link}"}`;
  return [text + " ", `"facets":[{"features":[${feature}],"index":{"byteEnd":${text.length},"byteStart":0}}],`];
}

function replyTo(parent: string, root: string, bits: number): string {
  return `{"parent":${parent},"root":${bits % 2 === 0 ? parent : root}}`;
}

function image(i: number, seed: number): string {
  return `{"$type":"blob","ref":{"$link":"${blobCid(i, seed + SALT.blob)}"},"mimeType":"image/jpeg",` +
    `"size":${20_000 + mix(i, seed) % 900_000}}`;
}

function embedOf(i: number, bits: number, more: number, seed: number): string {
  if (more % 2 === 0) {
    return `{"$type":"app.bsky.embed.images","images":[{"alt":"","aspectRatio":{"height":${600 + bits % 3000},` +
      `"width":${800 + more % 3000}},"image":${image(i, seed)}}]}`;
  }
  const title = TITLES[bits % TITLES.length]!;
  return `{"$type":"app.bsky.embed.external","external":{"description":"${
    writing(LANGUAGES[0]!.sentences, more, bits)
  }",` +
    `"thumb":${image(i, seed)},"title":"${title}","uri":"https://${name(bits)}.example.com/${more >>> 8}"}}`;
}
