/**
 * The reference: a Megastream file by hand, without checks, limits, retries or positions.
 *
 * @module
 */
import { createReadStream, createWriteStream } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { createInflateRaw, inflateSync } from "node:zlib";
import { openBulks } from "./elasticsearch_loop.ts";

const LOCAL_HEADER_BYTES = 30;

/** Inflates the only entry of an archive. What comes behind its data is passed over. */
export async function loopUnzip(from: string, to: string): Promise<void> {
  using file = await Deno.open(from);
  const header = new Uint8Array(LOCAL_HEADER_BYTES);
  await file.read(header);
  const view = new DataView(header.buffer);
  const start = LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  await pipeline(
    createReadStream(from, { start, end: start + view.getUint32(18, true) - 1, highWaterMark: 1 << 18 }),
    createInflateRaw({ chunkSize: 1 << 18 }),
    createWriteStream(to, { highWaterMark: 1 << 20 }),
  );
}

/** Answers how many posts it has written, each with its vectors. */
export async function loopRows(path: string, url: string): Promise<number> {
  const bulks = openBulks({ url, prefix: "", size: 500, concurrency: 4 });
  using database = new DatabaseSync(path, { readOnly: true });
  let count = 0;
  for (
    const { raw_post, inferences } of database.prepare("SELECT raw_post, inferences FROM enriched_posts").iterate()
  ) {
    const { message: { did, time_us, commit } } = JSON.parse(String(raw_post));
    const { text_embeddings } = JSON.parse(String(inferences));
    const { record } = commit;
    const uri = `at://${did}/${commit.collection}/${commit.rkey}`;
    const body = {
      at_uri: uri,
      author_did: did,
      content: record.text,
      created_at: record.createdAt,
      thread_root_post: record.reply?.root.uri,
      thread_parent_post: record.reply?.parent.uri,
      quote_post: record.embed?.record?.uri,
      embeddings: {
        all_MiniLM_L12_v2: decode(text_embeddings["all-MiniLM-L12-v2"]),
        all_MiniLM_L6_v2: decode(text_embeddings["all-MiniLM-L6-v2"]),
      },
      indexed_at: new Date().toISOString(),
    };
    bulks.add("posts", "index", uri, time_us * 1024, JSON.stringify(body));
    count++;
    if (bulks.full()) await bulks.room();
  }
  await bulks.finish();
  return count;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const VALUES = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, ALPHABET.indexOf(String.fromCharCode(code))));

function decode(text: string): number[] {
  const left = text.length % 5;
  const padded = text + "~".repeat(left && 5 - left);
  const bytes = new DataView(new ArrayBuffer(padded.length / 5 * 4));
  for (let from = 0, at = 0; from < padded.length; from += 5, at += 4) {
    let group = 0;
    for (let i = from; i < from + 5; i++) group = group * 85 + VALUES[padded.charCodeAt(i)]!;
    bytes.setUint32(at, group);
  }
  const compressed = new Uint8Array(bytes.buffer, 0, bytes.byteLength - (left && 5 - left));
  const { buffer, byteOffset, byteLength } = inflateSync(compressed);
  return [...new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))];
}
