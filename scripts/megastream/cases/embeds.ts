/**
 * What posts embed, quote and answer.
 *
 * @module
 */
import { type MediaItem, post } from "../post.ts";
import { type FileRows, fileRows, type Reference } from "../row.ts";

/** What a record embeds, and what its document says of it. */
interface Embed {
  readonly embed: Readonly<Record<string, unknown>>;
  readonly media?: readonly MediaItem[];
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** An image or a video: in the record, and as a media item; without an item it is to be left out. */
interface Medium {
  readonly json: Readonly<Record<string, unknown>>;
  readonly item?: MediaItem;
}

const IMAGES = "app.bsky.embed.images";

/** The rows of the file. */
export function embedRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng });
  mediaCases(file);
  quoteCases(file);
  mixedCases(file);
  replyCases(file);
  return file;
}

function blobOf(file: FileRows, mimeType: string, size: unknown) {
  return { $type: "blob", ref: { $link: file.blob() }, mimeType, size };
}

function image(file: FileRows, size: number, alt: string, ratio?: readonly [number, number]): Medium {
  const blob = blobOf(file, "image/jpeg", size);
  const [width, height] = ratio ?? [0, 0];
  return {
    json: { alt, image: blob, ...(ratio && { aspectRatio: { height, width } }) },
    item: {
      id: blob.ref.$link,
      media_type: "image",
      mime_type: "image/jpeg",
      size,
      width,
      height,
      aspect_ratio: ratio ? width / height : 0,
      ...(alt !== "" && { alt_text: alt }),
    },
  };
}

function images(...list: readonly Medium[]): Embed {
  return {
    embed: { $type: IMAGES, images: list.map(({ json }) => json) },
    media: list.flatMap(({ item }) => item ?? []),
  };
}

function video(
  file: FileRows,
  size: number,
  { alt, ratio }: { alt?: string; ratio?: readonly [number, number] } = {},
): Embed {
  const blob = blobOf(file, "video/mp4", size);
  const [width, height] = ratio ?? [0, 0];
  return {
    embed: {
      $type: "app.bsky.embed.video",
      video: blob,
      ...(alt !== undefined && { alt }),
      ...(ratio && { aspectRatio: { height, width } }),
    },
    media: [{
      id: blob.ref.$link,
      media_type: "video",
      mime_type: "video/mp4",
      size,
      width,
      height,
      aspect_ratio: ratio ? width / height : 0,
      ...(alt && { alt_text: alt }),
    }],
  };
}

function external(file: FileRows, uri: string, title: string, description: string): Embed {
  const external = { uri, title, description, thumb: blobOf(file, "image/jpeg", 51_234) };
  const kept = { uri, ...(title && { title }), ...(description && { description }) };
  return {
    embed: { $type: "app.bsky.embed.external", external },
    ...(uri && { fields: { external_embed: kept } }),
  };
}

/** @param quoted What the document says is quoted. */
function quote(record: Reference, quoted?: string): Embed {
  return { embed: { $type: "app.bsky.embed.record", record }, ...(quoted && { fields: { quote_post: quoted } }) };
}

function withMedia(record: Embed, media: Embed): Embed {
  return {
    embed: { $type: "app.bsky.embed.recordWithMedia", record: record.embed, media: media.embed },
    ...(media.media && { media: media.media }),
    fields: { ...record.fields, ...media.fields },
  };
}

function embedding(file: FileRows, shows: string, { embed, media, fields }: Embed, hydrated?: unknown): void {
  post(file, {
    shows,
    record: { embed },
    ...(media && { media }),
    ...(fields && { fields }),
    ...(hydrated !== undefined && { hydrated }),
  });
}

function mediaCases(file: FileRows): void {
  const add = (shows: string, embed: Embed) => embedding(file, shows, embed);
  post(file, { shows: "No embed", text: "Nothing but words." });
  add("One image", images(image(file, 812_345, "A harbour in the fog", [1920, 1080])));
  add("Two images", images(image(file, 100_001, "Left", [1000, 1000]), image(file, 100_002, "Right", [1000, 750])));
  add(
    "Three images in order",
    images(...[1, 2, 3].map((n) => image(file, 200_000 + n, `Number ${n}`, [800, 600 + n]))),
  );
  add("Four images", images(...[1, 2, 3, 4].map((n) => image(file, 300_000 + n, "", [n * 100, 300]))));
  add("An image without alt text and without aspect ratio", images(image(file, 1, "")));
  add(
    "Four images, one of them without ref",
    images(
      image(file, 400_001, "First", [4, 3]),
      { json: { alt: "Lost", image: { $type: "blob", mimeType: "image/png", size: 5 } } },
      image(file, 400_003, "Third", [4, 3]),
      image(file, 400_004, "Fourth", [4, 3]),
    ),
  );
  const legacy = file.blob();
  add(
    "A legacy blob",
    images({
      json: { alt: "", image: { cid: legacy, mimeType: "image/png" } },
      item: { id: legacy, media_type: "image", mime_type: "image/png", width: 0, height: 0, aspect_ratio: 0 },
    }),
  );
  const odd = image(file, 7, "Sizes that are none", [0, 0]);
  const { size: _, ...unsized } = odd.item!;
  add(
    "An image whose size and sides are no sizes",
    images({
      json: { ...odd.json, image: { ...(odd.json["image"] as object), size: -7 } },
      item: { ...unsized, media_type: "image", aspect_ratio: 0 },
    }),
  );
  add("A video", video(file, 15_000_000, { ratio: [1920, 1080] }));
  add("A video with alt text", video(file, 2_000_000, { alt: "Waves", ratio: [1080, 1920] }));
  add("A video without aspect ratio", video(file, 3_000_000, { alt: "" }));
  add("A link", external(file, "https://example.org/story", "A story", "What it is about"));
  add("A link without title and description", external(file, "https://example.org/bare", "", ""));
  add("A link that leads nowhere", external(file, "", "Nothing", "Nobody knows"));
  add("An embed that nobody knows", { embed: { $type: "org.example.embed.map", place: "harbour" } });
  post(file, { shows: "An embed that is no object", record: { embed: "app.bsky.embed.images" } });
  post(file, { shows: "Images that are no list", record: { embed: { $type: IMAGES, images: { alt: "x" } } } });
}

function quoteCases(file: FileRows): void {
  const quoted = file.elsewhere(), other = file.elsewhere();
  const hydrated = (uri: string) => ({ user: {}, quote_post: { uri, record: { text: "Quoted." } } });
  embedding(file, "A quote that is not hydrated", quote(quoted, quoted.uri));
  embedding(file, "A quote that is hydrated", quote(quoted, quoted.uri), hydrated(quoted.uri));
  embedding(file, "A quote that hydration tells differently", quote(quoted, quoted.uri), hydrated(other.uri));
  post(file, {
    shows: "A quote that only hydration knows",
    hydrated: hydrated(other.uri),
    fields: { quote_post: other.uri },
  });
  embedding(file, "A feed, embedded as a quote is", quote(file.elsewhere("app.bsky.feed.generator")));
  embedding(file, "A list, embedded as a quote is", quote(file.elsewhere("app.bsky.graph.list")));
  embedding(file, "A starter pack, embedded as a quote is", quote(file.elsewhere("app.bsky.graph.starterpack")));
}

function mixedCases(file: FileRows): void {
  const quoted = file.elsewhere();
  const it = () => quote(quoted, quoted.uri);
  const two = images(image(file, 500_001, "One", [3, 2]), image(file, 500_002, "Two", [2, 3]));
  embedding(file, "A quote with images", withMedia(it(), two));
  embedding(file, "A quote with a video", withMedia(it(), video(file, 4_000_000, { alt: "Rain", ratio: [640, 360] })));
  embedding(file, "A quote with a link", withMedia(it(), external(file, "https://example.org/two", "Two", "")));
  embedding(
    file,
    "A feed with an image",
    withMedia(
      quote(file.elsewhere("app.bsky.feed.generator")),
      images(image(file, 500_003, "", [1, 1])),
    ),
  );
  embedding(
    file,
    "A quote with media that nobody knows",
    withMedia(it(), {
      embed: { $type: "org.example.embed.sound", seconds: 5 },
    }),
  );
}

function replyCases(file: FileRows): void {
  const root = file.elsewhere(),
    parent = file.elsewhere(),
    otherRoot = file.elsewhere(),
    otherParent = file.elsewhere();
  const thread = (rootUri?: string, parentUri?: string) => ({
    ...(rootUri && { thread_root_post: rootUri }),
    ...(parentUri && { thread_parent_post: parentUri }),
  });
  const hydrated = (rootUri?: string, parentUri?: string) => ({
    ...(rootUri && { reply_post: { uri: rootUri } }),
    ...(parentUri && { parent_post: { uri: parentUri } }),
  });
  const both = thread(root.uri, parent.uri);
  const reply = (shows: string, record: object, known: object, fields: object) =>
    post(file, { shows, record: { reply: record }, hydrated: known, fields: { ...fields }, reply: true });
  reply("A reply that is hydrated", { root, parent }, hydrated(root.uri, parent.uri), both);
  reply("A reply that is not hydrated", { root, parent }, {}, both);
  reply("A reply whose parent is not hydrated", { root, parent }, hydrated(root.uri), both);
  reply("A reply that hydration tells differently", { root, parent }, hydrated(otherRoot.uri, otherParent.uri), both);
  reply("A reply to a root alone", { root }, {}, thread(root.uri));
  reply("A reply to a parent alone", { parent }, {}, thread(undefined, parent.uri));
  reply(
    "A reply whose parent only hydration knows",
    { root },
    hydrated(undefined, otherParent.uri),
    thread(root.uri, otherParent.uri),
  );
  const only = (shows: string, known: object, fields: object) =>
    post(file, { shows, hydrated: known, fields: { ...fields }, reply: true });
  only("A reply that only hydration knows", hydrated(root.uri, parent.uri), both);
  only("A reply of which hydration knows the parent", hydrated(undefined, parent.uri), thread(undefined, parent.uri));
  only("A reply of which hydration knows the root", hydrated(root.uri), thread(root.uri));
  post(file, { shows: "A reply to nothing is a post", record: { reply: {} }, hydrated: hydrated() });
  post(file, {
    shows: "Hydration without any post",
    hydrated: { parent_post: null, reply_post: null, quote_post: null },
  });
}
