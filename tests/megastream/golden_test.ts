import assert from "node:assert/strict";
import type { CommitEvent } from "../../lib/atproto/event.ts";
import { atUri } from "../../lib/atproto/event.ts";
import { PoisonError } from "../../lib/pipeline/errors.ts";
import { openContainer } from "../../lib/sources/megastream/container.ts";
import { openDatabase } from "../../lib/sources/megastream/database.ts";
import { BadFileError, type Row } from "../../lib/sources/megastream/files.ts";
import { megastreamTime } from "../../lib/sources/megastream/name.ts";
import { readRow, type RowResult } from "../../lib/sources/megastream/rows.ts";
import { tempFiles } from "../../lib/sources/megastream/temp_files.ts";
import { enrichmentOf } from "../../lib/transforms/elasticsearch/enrichment.ts";
import { purgeOf, toWrites } from "../../lib/transforms/elasticsearch/writes.ts";
import { modelsOf } from "../../lib/transforms/embeddings/models.ts";
import { createPostCounters, postFields } from "../../lib/transforms/posts.ts";
import { ROOT } from "../support/paths.ts";
import { tempFolder } from "../support/temp.ts";

const FOLDER = `${ROOT}/fixtures/megastream`;
/** Of files whose name tells none. */
const LAST_US = Date.UTC(2026, 0) * 1000;
const MAX_DB_BYTES = 1 << 30;
const CLASSIC_MODELS = ["all-MiniLM-L12-v2", "all-MiniLM-L6-v2"];

type Json = Readonly<Record<string, unknown>>;

function golden(name: string): Json[] {
  return Deno.readTextFileSync(`${FOLDER}/${name}`).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Calls `each` with the rows of a file; the number of rows is known even where it fails. */
async function readFile(path: string, temp: string, maxDbBytes: number, each: (row: Row) => void): Promise<void> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const local = { path, [Symbol.asyncDispose]: () => Promise.resolve() };
  const { signal } = new AbortController();
  await using opened = await openContainer(local, { name, temp: await tempFiles(temp), maxDbBytes, signal });
  using database = openDatabase(opened.path);
  for (const { rows } of database.slices({ rows: 100, bytes: 1 << 20, inferences: true })) rows.forEach(each);
}

interface ReadRow {
  readonly file: string;
  readonly row: number;
  readonly result: RowResult | { readonly reject: string };
}

/** Every row of every good file, in the order of a run. */
async function readAll(): Promise<readonly ReadRow[]> {
  using temp = tempFolder();
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".db.zip"));
  const timeOf = (name: string) => megastreamTime(name) ?? LAST_US;
  const all: ReadRow[] = [];
  for (const file of names.sort((a, b) => timeOf(a) - timeOf(b))) {
    const origin = Object.freeze({ source: "megastream", wire: "row", host: file });
    const options = { file, fileTimeUs: timeOf(file), purgeAccounts: ["deleted"], origin };
    await readFile(`${FOLDER}/${file}`, temp.path, MAX_DB_BYTES, (row) => {
      all.push({ file, row: row.row, result: outcomeOf(() => readRow(row, options)) });
    });
  }
  return all;
}

function outcomeOf(read: () => RowResult): ReadRow["result"] {
  try {
    return read();
  } catch (error) {
    if (error instanceof PoisonError) return { reject: error.reason };
    throw error;
  }
}

const rows = await readAll();

/** The fields of a post with all four models, and what was counted meanwhile. */
function fieldsOf(event: CommitEvent) {
  const counters = createPostCounters();
  const enrichment = enrichmentOf(modelsOf(["all"]), counters)(event);
  return { counters, fields: postFields(event, { uri: atUri(event), enrichment, counters }) };
}

function isPost({ result }: ReadRow): boolean {
  return "event" in result && (result.what === "post" || result.what === "reply");
}

/** What `golden_rows.ndjson` says of a row, but for its name. */
function told(row: ReadRow): Json {
  const { file, row: number, result } = row;
  if (!("event" in result)) return { file, row: number, ...result };
  const { what, badInferences } = result;
  const about = { file, row: number, what, ...(badInferences && { bad_inferences: true }) };
  if (!isPost(row)) return about;
  const { counters: { createdAt, truncatedFields, vectorsDropped } } = fieldsOf(result.event as CommitEvent);
  const dropped = [...vectorsDropped].map(([model, reasons]) => [model, [...reasons.keys()].join()]);
  return {
    ...about,
    ...(createdAt.repaired > 0 && { created_at_flag: "repaired" }),
    ...(createdAt.fallback > 0 && { created_at_flag: "fallback" }),
    ...(dropped.length > 0 && { vectors_dropped: Object.fromEntries(dropped) }),
    ...(truncatedFields > 0 && { truncated: truncatedFields }),
  };
}

Deno.test("M15-M18, M28, M32-M36: each row of the fixtures is what it was declared to be", () => {
  const expected = golden("golden_rows.ndjson");
  assert.equal(rows.length, expected.length);
  rows.forEach((row, i) => {
    const { shows, truncated, ...rest } = expected[i]!;
    const cut = truncated === undefined ? {} : { truncated: (truncated as unknown[]).length };
    assert.deepEqual(told(row), { ...rest, ...cut }, String(shows));
  });
});

Deno.test("M19-M31, M38: each post of the fixtures has the fields that were declared", () => {
  const posts = rows.filter(isPost);
  const expected = golden("golden_fields.ndjson");
  assert.equal(posts.length, expected.length);
  posts.forEach(({ file, row, result }, i) => {
    const event = (result as { event: CommitEvent }).event;
    const { embeddings, ...fields } = fieldsOf(event).fields;
    const vectors = embeddings && Object.fromEntries(
      Object.entries(embeddings).map(([name, vector]) => [name, [...vector]]),
    );
    const actual = { at_uri: atUri(event), file, row, fields: { ...fields, ...(vectors && { embeddings: vectors }) } };
    assert.deepEqual(actual, withFloats(expected[i]!));
  });
});

/** Golden vectors are written as decimals; what is decoded are the float32 next to them. */
function withFloats(line: Json): Json {
  const { embeddings, ...fields } = line["fields"] as Json;
  if (embeddings === undefined) return line;
  const vectors = Object.entries(embeddings as Record<string, number[]>);
  const rounded = Object.fromEntries(vectors.map(([name, vector]) => [name, vector.map(Math.fround)]));
  return { ...line, fields: { ...fields, embeddings: rounded } };
}

Deno.test("M37: what is there after all files are the golden documents of layout classic", () => {
  const counters = createPostCounters();
  const options = {
    deletes: "apply",
    purgeAccounts: ["deleted"],
    enrichmentOf: enrichmentOf(modelsOf(CLASSIC_MODELS), counters),
  } as const;
  const index = classicIndex();
  for (const { result } of rows) {
    if (!("event" in result)) continue;
    const purge = purgeOf(result.event, options);
    if (purge) index.purge(purge.did, purge.version, new Date(purge.time_us / 1000).toISOString());
    for (const write of toWrites(result.event, options)) index.write(write);
  }
  assert.deepEqual(index.documents(), golden("golden_classic.ndjson"));
});

interface Stored {
  readonly version: bigint;
  /** None: it was deleted. */
  readonly source?: Json;
}

/** An index that takes external versions, looks for tombstones before it takes a post, and purges. */
function classicIndex() {
  const stored = { post_tombstones: new Map<string, Stored>(), posts: new Map<string, Stored>() };
  const put = (kind: keyof typeof stored, id: string, version: bigint, source?: Json) => {
    if (version >= (stored[kind].get(id)?.version ?? 0n)) stored[kind].set(id, { version, ...(source && { source }) });
  };
  return {
    write({ kind, action, id, version, body }: ReturnType<typeof toWrites>[number]): void {
      assert.ok(kind === "posts" || kind === "post_tombstones");
      const buried = kind === "posts" && action === "index" ? stored.post_tombstones.get(id)?.version ?? -1n : -1n;
      if (buried >= BigInt(version)) return;
      const { indexed_at, ...source } = body === undefined ? { indexed_at: "" } : JSON.parse(body);
      assert.equal(typeof indexed_at, "string");
      put(kind, id, BigInt(version), action === "index" ? source : undefined);
    },
    purge(did: string, version: string, deleted_at: string): void {
      for (const [id, post] of [...stored.posts]) {
        if (post.source?.["author_did"] !== did || post.version >= BigInt(version)) continue;
        put("post_tombstones", id, BigInt(version), { at_uri: id, author_did: did, deleted_at });
        put("posts", id, BigInt(version));
      }
    },
    /** In the order of the golden file. */
    documents(): Json[] {
      return Object.entries(stored).flatMap(([index, documents]) =>
        [...documents].filter(([, { source }]) => source).sort(([a], [b]) => a < b ? -1 : 1)
          .map(([id, { source }]) => ({ index, id, source }))
      );
    },
  };
}

const bad: Record<string, { code: string; rows: number; max_db_bytes?: number }> = JSON.parse(
  Deno.readTextFileSync(`${FOLDER}/bad/golden.json`),
);
for (const [name, { code, rows: count, max_db_bytes = MAX_DB_BYTES }] of Object.entries(bad)) {
  Deno.test(`M40, M42, M43: bad/${name} is ${code} after ${count} rows`, async () => {
    using temp = tempFolder();
    const read: number[] = [];
    const reading = readFile(`${FOLDER}/bad/${name}`, temp.path, max_db_bytes, ({ row }) => read.push(row));
    await assert.rejects(reading, (error) => error instanceof BadFileError && error.code === code);
    assert.deepEqual(read, Array.from({ length: count }, (_, i) => i + 1));
    assert.deepEqual([...Deno.readDirSync(temp.path)], []);
  });
}
