import assert from "node:assert/strict";
import { ROOT } from "../../tests/support/paths.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { writeFixtures } from "../make_megastream.ts";
import { columnsOf } from "./row.ts";
import { deletePost, post } from "./post.ts";
import { classicDocuments } from "./outcome.ts";
import { fileRows } from "./row.ts";

const FOLDER = `${ROOT}/fixtures/megastream`;
const MOST_BYTES = 1_500_000, MOST_REJECTS = 0.04;

/** Files by their path below a folder. */
function filesIn(folder: string, below = ""): ReadonlyMap<string, Uint8Array> {
  const entries = [...Deno.readDirSync(`${folder}/${below}`)].sort((a, b) => a.name < b.name ? -1 : 1);
  return new Map(entries.flatMap(({ name, isDirectory }): (readonly [string, Uint8Array])[] => {
    const path = `${below}${name}`;
    return isDirectory ? [...filesIn(folder, `${path}/`)] : [[path, Deno.readFileSync(`${folder}/${path}`)]];
  }));
}

Deno.test("The generator gives the bytes of fixtures/megastream", async () => {
  using folder = tempFolder();
  await writeFixtures(folder.path);
  const made = filesIn(folder.path), kept = filesIn(FOLDER);
  assert.deepEqual([...made.keys()], [...kept.keys()]);
  for (const [name, bytes] of made) {
    assert.equal(bytes.length, kept.get(name)!.length, name);
    assert.ok(bytes.every((byte, i) => byte === kept.get(name)![i]), name);
  }
});

Deno.test("Another number gives other people and other rows", async () => {
  using folder = tempFolder();
  await writeFixtures(folder.path, 2);
  const rows = (path: string) => Deno.readTextFileSync(`${path}/golden_fields.ndjson`).trimEnd().split("\n");
  const own = new Set(rows(FOLDER).map((line) => JSON.parse(line).at_uri));
  const others = rows(folder.path).map((line) => JSON.parse(line).at_uri);
  assert.deepEqual(others.filter((uri) => own.has(uri)), []);
});

Deno.test("The fixtures are small, few of their rows are rejected, and every reason occurs", () => {
  const bytes = [...filesIn(FOLDER).values()].reduce((sum, file) => sum + file.length, 0);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
  const lines = Deno.readTextFileSync(`${FOLDER}/golden_rows.ndjson`).trimEnd().split("\n");
  const rows: Record<string, unknown>[] = lines.map((line) => JSON.parse(line));
  const rejected = rows.filter(({ reject }) => reject !== undefined);
  assert.ok(rejected.length <= rows.length * MOST_REJECTS, `${rejected.length} of ${rows.length}`);
  const values = (name: string) => [...new Set(rows.map((row) => row[name]).filter((value) => value))].sort();
  assert.deepEqual(values("what"), ["account_deletion", "delete", "post", "reply"]);
  assert.deepEqual(values("skip"), ["account", "identity", "other_collection", "other_kind"]);
  assert.deepEqual(values("reject"), [
    "bad_commit",
    "bad_operation",
    "bad_raw_post",
    "bad_record",
    "bad_type",
    "bad_uri",
    "no_did",
    "no_uri",
    "too_large",
    "uri_mismatch",
  ]);
  const reasons = rows.flatMap(({ vectors_dropped = {} }) => Object.values(vectors_dropped as object));
  const known = ["base85", "dims", "length", "not_finite", "type", "zero", "zlib"];
  assert.deepEqual([...new Set(reasons)].sort(), known);
});

Deno.test("Every code of a bad file occurs, but for the one of S3", () => {
  const golden: Record<string, { code: string }> = JSON.parse(Deno.readTextFileSync(`${FOLDER}/bad/golden.json`));
  const files = [...Deno.readDirSync(`${FOLDER}/bad`)].map(({ name }) => name).filter((name) => name !== "golden.json");
  assert.deepEqual(files.sort(), Object.keys(golden).sort());
  assert.deepEqual([...new Set(Object.values(golden).map(({ code }) => code))].sort(), [
    "bad_crc",
    "compression",
    "corrupt",
    "empty",
    "encrypted",
    "no_database",
    "not_sqlite",
    "schema",
    "several_databases",
    "too_large",
    "truncated",
    "unknown_format",
  ]);
});

Deno.test("The golden documents are those of the newest state, whatever came last", () => {
  const file = fileRows("2025-10-21T00:00:00Z", { rng: 1 });
  const first = post(file, { shows: "New", operation: "update" });
  post(file, { shows: "Old", of: first, revUs: first.revUs - 1 });
  const deleted = post(file, { shows: "Deleted" });
  deletePost(file, deleted, { shows: "Delete" });
  post(file, { shows: "Late copy", of: deleted, revUs: deleted.revUs });
  const [tombstone, document, ...others] = classicDocuments(file.rows);
  assert.deepEqual([tombstone?.index, tombstone?.id], ["post_tombstones", deleted.uri]);
  assert.deepEqual([document?.index, document?.id, document?.source["content"]], ["posts", first.uri, "New."]);
  assert.deepEqual(others, []);
});

Deno.test("A row repeats in raw_post what its columns say", () => {
  const columns = columnsOf({ at_uri: "at://x", did: "did:example:x", message: {}, us: 1_700_000_000_999_999 });
  assert.equal(columns.created_at, "2023-11-14 22:13:20");
  assert.equal(JSON.parse(String(columns.raw_post)).at_uri, "at://x");
});
