/**
 * The files that can be read, and what is to become of them.
 *
 * @module
 */
import { databaseOf } from "./database.ts";
import { classicDocuments } from "./outcome.ts";
import type { FileRows, RowCase } from "./row.ts";
import { embedRows } from "./cases/embeds.ts";
import { fewRows, ordinaryRows } from "./cases/ordinary.ts";
import { longRows, rejectRows } from "./cases/rejects.ts";
import { laterStateRows, stateRows } from "./cases/states.ts";
import { textRows } from "./cases/text.ts";
import { vectorRows } from "./cases/vectors.ts";
import { zipOf } from "./zip.ts";

/** A file by its name, which may lie in a folder. */
export interface MadeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A file with what is in it. */
interface GoodFile {
  readonly name: string;
  readonly rows: readonly RowCase[];
  /** Packs it; default: as Megastream does. */
  readonly pack?: (stem: string, database: Uint8Array) => Uint8Array;
  readonly table?: string;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** All files that can be read, and the golden ones. */
export function goodFiles(rng: number): readonly MadeFile[] {
  const files = declaredFiles(rng);
  const made = files.map(({ name, rows, table, pack = plainZip }) => {
    const bytes = pack(name.slice(0, -".db.zip".length), databaseOf(rows.map(({ columns }) => columns), table));
    return { name, bytes };
  });
  return [...made, ...goldenFiles(files)];
}

/** Files in the order in which they are read. */
function declaredFiles(rng: number): readonly GoodFile[] {
  const at = (time: string, rows: (start: string) => FileRows, more: Partial<GoodFile> = {}): GoodFile => ({
    name: `mega_jetstream_20251021_${time.replaceAll(":", "")}.db.zip`,
    rows: rows(`2025-10-21T${time}Z`).rows,
    ...more,
  });
  const { file: states, pending } = stateRows("2025-10-21T07:10:00Z", rng);
  const few = (shows: string) => (start: string) => fewRows(start, rng, shows);
  return [
    at("06:55:00", (start) => embedRows(start, rng)),
    at("07:00:00", (start) => textRows(start, rng)),
    at("07:05:00", (start) => vectorRows(start, rng)),
    at("07:10:00", () => states),
    at("07:15:00", (start) => laterStateRows(start, rng, pending)),
    at("07:20:00", (start) => rejectRows(start, rng)),
    at("07:25:00", (start) => longRows(start, rng)),
    at("07:30:00", (start) => ordinaryRows(start, rng)),
    at("07:35:00", few("A bare database"), { pack: (_, database) => database }),
    at("07:40:00", few("A table of the older name"), { table: "posts" }),
    at("07:45:00", (start) => fewRows(start, rng, "", 0)),
    at("07:50:00", few("A stored archive"), { pack: storedZip }),
    at("07:55:00", few("An archive with more in it"), { pack: crowdedZip }),
    at("08:00:00", few("A zip64 archive"), { pack: wideZip }),
    at("08:05:00", few("An archive whose numbers come late"), { pack: lateZip }),
    // Its time is when it was written to the disk: after all others.
    { name: "without_time.db.zip", rows: fewRows("2025-10-21T08:10:00Z", rng, "A name without time").rows },
  ];
}

/** As Megastream packs. */
export function plainZip(stem: string, data: Uint8Array): Uint8Array {
  return zipOf([{ name: `${stem}.db`, data }]);
}

function storedZip(stem: string, data: Uint8Array): Uint8Array {
  return zipOf([{ name: `${stem}.DB`, data, method: 0 }]);
}

/** Several databases: the one that is called as the archive is meant. */
function crowdedZip(stem: string, data: Uint8Array): Uint8Array {
  const other = databaseOf([]);
  return zipOf([
    { name: "__MACOSX/", data: utf8(""), method: 0 },
    { name: `__MACOSX/._${stem}.db`, data: utf8("Mac OS X") },
    { name: "data/", data: utf8(""), method: 0 },
    { name: "data/.hidden.db", data: utf8("hidden") },
    { name: "data/other.db", data: other },
    { name: `data/${stem}.db`, data },
    { name: "folder.db/", data: utf8(""), method: 0 },
    { name: "README.txt", data: utf8("A database and what came with it.\n") },
  ]);
}

function wideZip(stem: string, data: Uint8Array): Uint8Array {
  return zipOf([{ name: `${stem}.db`, data, zip64: true }]);
}

/** Sizes after the data, an extra field, comments. */
function lateZip(stem: string, data: Uint8Array): Uint8Array {
  const extra = Uint8Array.from([0x55, 0x54, 5, 0, 1, 0, 0xc9, 0xf6, 0x68]); // a time, as Info-ZIP writes it
  const entry = { name: `${stem}.db`, data, dataDescriptor: true, extra, comment: "The database" };
  return zipOf([entry], { comment: "Five minutes of posts. PK are two letters." });
}

function goldenFiles(files: readonly GoodFile[]): readonly MadeFile[] {
  const rows = files.flatMap((file) => file.rows.map((row, n) => ({ file: file.name, row: n + 1, ...row })));
  const fields = rows.flatMap(({ file, row, becomes }) =>
    "fields" in becomes ? { at_uri: becomes.uri, file, row, fields: becomes.fields } : []
  );
  const outcomes = rows.map(({ file, row, shows, becomes, notes }) => ({
    file,
    row,
    shows,
    ...("what" in becomes ? { what: becomes.what } : becomes),
    ...notes,
  }));
  return [
    { name: "golden_classic.ndjson", bytes: linesOf(classicDocuments(rows)) },
    { name: "golden_fields.ndjson", bytes: linesOf(fields) },
    { name: "golden_rows.ndjson", bytes: linesOf(outcomes) },
  ];
}

function linesOf(values: readonly unknown[]): Uint8Array {
  return utf8(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
}
