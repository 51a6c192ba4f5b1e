import { equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../tests/support/temp.ts";
import { zip } from "../../../tests/support/zip_writer.ts";
import { TransientError } from "../../pipeline/errors.ts";
import { type InputFile, openInput } from "./input_file.ts";
import { type TempFile, tempFiles } from "./temp_files.ts";
import { extractEntry, findEntry } from "./zip.ts";

/** A megabyte that cannot be compressed well: several pieces on both sides. */
const DATA = crypto.getRandomValues(new Uint8Array(64 * 1024));
const WHOLE = Uint8Array.from({ length: 1 << 20 }, (_, i) => DATA[(i * 7919) % DATA.length]! ^ (i >> 12));

/** Extracts an archive's only entry, from and into files that may fail. */
const extract = (
  method: "stored" | "deflate",
  from: (file: InputFile) => InputFile,
  into: (file: TempFile) => TempFile,
) =>
  inFolder(async (folder) => {
    const path = join(folder, "x.db.zip");
    Deno.writeFileSync(path, zip([{ name: "x.db", data: WHOLE, method }]));
    using file = from(await openInput(path));
    const entry = await findEntry(file, "x.db.zip");
    await using database = await (await tempFiles(folder)).make(".db");
    const { signal } = new AbortController();
    await extractEntry(file, entry, into(database), { maxBytes: 1 << 30, signal });
    database.close();
    equal(Deno.statSync(database.path).size, WHOLE.length);
  });

const same = <T>(file: T): T => file;

for (const method of ["stored", "deflate"] as const) {
  Deno.test(`what the disk says while an entry is read (${method}) is what is told`, async () => {
    const failure = new TransientError("Cannot read x.db.zip: the disk is gone");
    for (const place of [0, 200_000, 600_000]) {
      let armed = false;
      const failing = (file: InputFile): InputFile => ({
        size: file.size,
        read(at, length) {
          // The directory is at the end, and read before: headers and data come later.
          if (at < 100) armed = true;
          return armed && at >= place ? Promise.reject(failure) : file.read(at, length);
        },
        [Symbol.dispose]: () => file[Symbol.dispose](),
      });
      await rejects(extract(method, failing, same), (error) => error === failure);
    }
    await extract(method, same, same);
  });

  Deno.test(`what the disk says while an entry is written (${method}) is what is told`, async () => {
    const failure = new TransientError("Cannot write to temporary file x.db: no space left on the device");
    for (const after of [0, 1]) {
      let writes = 0;
      const failing = (file: TempFile): TempFile =>
        Object.create(file, {
          write: { value: (bytes: Uint8Array) => writes++ < after ? file.write(bytes) : Promise.reject(failure) },
        });
      await rejects(extract(method, same, failing), (error) => error === failure);
      equal(writes, after + 1);
    }
  });
}
