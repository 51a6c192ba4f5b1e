/**
 * Commits as lines of a recording, and bringing them to a real Elasticsearch with the program.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { tid } from "../../lib/simulate/ids.ts";
import type { SharedElasticsearch } from "./elasticsearch.ts";
import { summaryOf } from "./program.ts";

/** Two accounts: the author of everything, and of what is liked. */
export const A = "did:plc:aaaa2222bbbb3333cccc4444", B = "did:plc:bbbb2222cccc3333dddd4444";
/** What is liked. */
export const SUBJECT = `at://${B}/app.bsky.feed.post/3m4fxx2flkc2p`;
/** Collections. */
export const LIKE = "app.bsky.feed.like", POST = "app.bsky.feed.post";
/** The record key, unless another one is given. */
export const RKEY = "3m4fxx2ps6222";
const START_US = Date.parse("2025-10-30T12:34:57.000Z") * 1000;

/** Records. */
export const like = { createdAt: "2025-10-30T12:34:56.789Z", subject: { uri: SUBJECT, cid: "bafyreia" } };
export const post = { createdAt: "2025-10-30T14:34:56+02:00", text: "Hello" };

/** A commit as Jetstream sends it, `second` seconds after 12:34:57; without a record it deletes. */
export function line(second: number, collection: string, record?: object, rkey = RKEY, operation = "create"): string {
  const time_us = START_US + second * 1e6;
  const rev = tid(time_us, 1);
  const commit = record === undefined
    ? { rev, operation: "delete", collection, rkey }
    : { rev, operation, collection, rkey, record: { $type: collection, ...record }, cid: "bafyreib" };
  return JSON.stringify({ did: A, time_us, kind: "commit", commit });
}

/** A line of each kind. */
export const createLike = (second: number, rkey?: string) => line(second, LIKE, like, rkey);
export const deleteLike = (second: number, rkey?: string) => line(second, LIKE, undefined, rkey);
export const createPost = (second: number, rkey?: string) => line(second, POST, post, rkey);
export const deletePost = (second: number, rkey?: string) => line(second, POST, undefined, rkey);

/** Indices of a test's own: what they begin with, and the options that lead there. */
export function placeIn(
  { es, prefix }: SharedElasticsearch,
): { readonly args: readonly string[]; readonly prefix: string } {
  const own = prefix();
  return { prefix: own, args: ["--elasticsearch-url", es.url, "--index-prefix", own] };
}

/** Brings lines to the server by `replay`; every one must be written, or filtered. */
export async function replay(folder: string, lines: readonly string[], args: readonly string[]): Promise<Summary> {
  const file = `${folder}/${crypto.randomUUID()}.jsonl`;
  await Deno.writeTextFile(file, lines.map((each) => `${each}\n`).join(""));
  const summary = await summaryOf(folder, ["replay", file, "--sink", "elasticsearch", ...args]);
  const { received, rejected, dead_lettered, unsettled } = summary;
  const expected = { received: lines.length, rejected: 0, dead_lettered: 0, unsettled: 0 };
  assert.deepEqual({ received, rejected, dead_lettered, unsettled }, expected);
  return summary;
}
