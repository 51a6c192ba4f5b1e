/**
 * Five minutes as they usually are, and files that are unusual only on the outside.
 *
 * @module
 */
import { LANGUAGES } from "../../../lib/simulate/vocabulary.ts";
import { post, skipped } from "../post.ts";
import { type FileRows, fileRows, type Post } from "../row.ts";
import { embeddingsOf, inferencesOf, vector } from "./vectors.ts";

/** Rows enough for the rejects of the other files to be few. */
const ROWS = 480;

/** The rows of the file: posts, replies among them, and now and then something that is left out. */
export function ordinaryRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng, stepMs: 450 });
  const written: Post[] = [];
  for (let n = 0; n < ROWS; n++) {
    if (n % 40 === 39) identity(file);
    else written.push(ordinaryPost(file, n, written));
  }
  return file;
}

/** A few posts, for files that show something else than posts. */
export function fewRows(start: string, rng: number, shows: string, count = 3): FileRows {
  const file = fileRows(start, { rng });
  for (let n = 1; n <= count; n++) post(file, { shows: `${shows}, row ${n}` });
  return file;
}

function ordinaryPost(file: FileRows, n: number, written: readonly Post[]): Post {
  const chance = file.chance(n);
  const { tag, sentences } = LANGUAGES[chance % 3]!;
  const parent = chance % 10 < 3 ? written.at(-1 - (chance >>> 8) % 20) : undefined;
  const vectors = n % 64 === 0
    ? { "all-MiniLM-L12-v2": vector(file, n, 384), "all-MiniLM-L6-v2": vector(file, n + 1, 384) }
    : {};
  const reply = parent && { root: referTo(parent), parent: referTo(parent) };
  const override = chance % 4 === 0;
  return post(file, {
    shows: reply ? "An ordinary reply" : "An ordinary post",
    text: sentences[(chance >>> 4) % sentences.length],
    record: { langs: [tag], ...(reply && { reply }) },
    reply: reply !== undefined,
    inferences: n % 16 === 0 ? inferencesOf(vectors) : "{}",
    override,
    fields: {
      langs: [tag],
      ...(parent && { thread_root_post: parent.uri, thread_parent_post: parent.uri }),
      ...embeddingsOf(vectors),
    },
  });
}

function referTo({ uri, cid }: Post) {
  return { cid, uri };
}

function identity(file: FileRows): void {
  skipped(file, {
    shows: "An ordinary identity",
    skip: "identity",
    message: (did, timeUs) => ({ kind: "identity", identity: { did, seq: timeUs % 1e9 } }),
  });
}
