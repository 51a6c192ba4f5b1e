import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import { inflateRawSync } from "node:zlib";
import { tempFolder } from "../../tests/support/temp.ts";
import { writeBigFile, writeTinyFiles } from "./many.ts";

/** The data of an archive's first entry, which is deflated. */
function unzipped(path: string): Buffer {
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const start = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  return inflateRawSync(bytes.subarray(start, start + view.getUint32(18, true)));
}

for (const rowBytes of [1000, 9000, 20_000, 36_000]) {
  Deno.test(`A big file has rows of about ${rowBytes} bytes, zipped and bare alike`, async () => {
    using folder = tempFolder();
    const options = { rows: 50, rowBytes };
    const name = await writeBigFile(folder.path, options);
    const zipped = unzipped(`${folder.path}/${name}`);
    await writeBigFile(folder.path, { ...options, bare: true });
    assert.ok(zipped.equals(Deno.readFileSync(`${folder.path}/${name}`)));
    using database = new DatabaseSync(`${folder.path}/${name}`, { readOnly: true });
    const { count, uris, size } = database.prepare(
      "SELECT count(*) AS count, count(DISTINCT at_uri) AS uris, avg(length(raw_post) + length(inferences)) AS size FROM enriched_posts",
    ).get() as Record<string, number>;
    assert.deepEqual([count, uris], [50, 50]);
    assert.ok(size! > rowBytes * 0.95 && size! < rowBytes * 1.05, `${size} bytes`);
    const { inferences } = database.prepare("SELECT inferences FROM enriched_posts LIMIT 1").get()!;
    const vectors = Object.keys(JSON.parse(String(inferences)).text_embeddings ?? {});
    assert.equal(vectors.length, rowBytes >= 10_000 ? 2 : 0);
  });
}

Deno.test("Tiny files are five minutes apart and have one or two rows", async () => {
  using folder = tempFolder();
  await writeTinyFiles(folder.path, 3);
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assert.deepEqual(names, [
    "mega_jetstream_20260101_000000.db.zip",
    "mega_jetstream_20260101_000500.db.zip",
    "mega_jetstream_20260101_001000.db.zip",
  ]);
  for (const name of names) assert.equal(unzipped(`${folder.path}/${name}`).length % 4096, 0);
});
