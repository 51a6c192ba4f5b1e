/**
 * The files that cannot be read, or not to their end, each named after its code.
 *
 * @module
 */
import { databaseOf, insertRows, madeDatabase, tableSql } from "./database.ts";
import { fewRows } from "./cases/ordinary.ts";
import { type MadeFile, plainZip } from "./files.ts";
import { type ZipEntry, zipOf } from "./zip.ts";

/** What is to be said of a bad file. */
interface Expected {
  /** `BadFileCode`. */
  readonly code: string;
  /** Rows that are read before. */
  readonly rows: number;
  /** With which `--max-db-bytes`, where the default would not do. */
  readonly max_db_bytes?: number;
}

interface BadFile extends Expected {
  readonly bytes: Uint8Array;
  /** What else is in the name. */
  readonly variant?: string;
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const PAGE = 4096;

/** All files in `bad/`, and `bad/golden.json`, which says what is wrong with them. */
export function badFiles(rng: number): readonly MadeFile[] {
  const database = databaseOf(fewRows("2025-10-22T00:00:00Z", rng, "A row", 12).rows.map(({ columns }) => columns));
  const bad = [...archives(database), ...schemas(rng), ...damaged(rng)];
  const named = bad.map(({ bytes, variant, ...expected }) => ({
    name: `${expected.code}${variant ? `_${variant}` : ""}.db.zip`,
    bytes,
    expected,
  }));
  const golden = Object.fromEntries(named.map(({ name, expected }) => [name, expected]));
  return [
    ...named.map(({ name, bytes }) => ({ name: `bad/${name}`, bytes })),
    { name: "bad/golden.json", bytes: utf8(`${JSON.stringify(golden, null, 2)}\n`) },
  ];
}

function archives(data: Uint8Array): readonly BadFile[] {
  const bad = (code: string, bytes: Uint8Array, variant?: string): BadFile => ({
    code,
    rows: 0,
    bytes,
    ...(variant !== undefined && { variant }),
  });
  const zip = (...entries: readonly Partial<ZipEntry>[]) =>
    zipOf(entries.map((entry) => ({ name: "x.db", data, ...entry })));
  const whole = zip({});
  const other = { name: "y.db" }, text = { name: "README.txt", data: utf8("No database here.\n") };
  // Inflates to more than anybody says.
  const bomb = { data: new Uint8Array(4 << 20), size: PAGE };
  return [
    bad("unknown_format", utf8("This is neither a zip archive nor a database.\n")),
    bad("empty", new Uint8Array()),
    bad("several_databases", zip({}, other)),
    bad("no_database", zip(text, { name: "__MACOSX/._x.db", data: utf8("Mac OS X") })),
    bad("no_database", zip(), "empty_archive"),
    bad("encrypted", zip({ encrypted: true })),
    bad("compression", zip({ method: 12, data: data.subarray(0, PAGE) })),
    { ...bad("too_large", zip(bomb)), max_db_bytes: 1 << 20 },
    bad("bad_crc", zip({ crc: 0x12345678 })),
    bad("bad_crc", zip({ size: data.length - 1 }), "size"),
    bad("truncated", whole.subarray(0, whole.length >> 1)),
    bad("truncated", whole.subarray(0, whole.length - 10), "directory"),
    bad("truncated", zip({ cut: 200 }), "data"),
    bad("not_sqlite", zip({ data: utf8("SQLite format 2\0, of long ago.\n") })),
    bad("not_sqlite", zip({ data: new Uint8Array() }), "empty"),
  ];
}

function schemas(rng: number): readonly BadFile[] {
  const columns = fewRows("2025-10-22T00:05:00Z", rng, "A row").rows.map((row) => row.columns);
  const bad = (variant: string, sql: string): BadFile => ({
    code: "schema",
    variant,
    rows: 0,
    bytes: plainZip(
      "x",
      madeDatabase((database) => {
        database.exec(tableSql("other"));
        insertRows(database, columns, "other");
        database.exec(sql);
      }),
    ),
  });
  return [
    bad("no_table", ""),
    bad("no_column", "CREATE TABLE enriched_posts (id INTEGER PRIMARY KEY, at_uri TEXT, did TEXT, inferences TEXT)"),
    bad("view", "CREATE VIEW enriched_posts AS SELECT * FROM other"),
    bad("virtual_table", "CREATE VIRTUAL TABLE enriched_posts USING fts5 (at_uri, did, raw_post)"),
    bad(
      "without_rowid",
      "CREATE TABLE enriched_posts (at_uri TEXT PRIMARY KEY, did TEXT, raw_post TEXT) WITHOUT ROWID",
    ),
  ];
}

function damaged(rng: number): readonly BadFile[] {
  const rows = fewRows("2025-10-22T00:10:00Z", rng, "A row of a damaged file", 30).rows.map(({ columns }) => columns);
  const page = databaseOf(rows);
  const first = damagePage(page, 15);
  const far = databaseOf([...rows.slice(0, 2), { ...rows[2]!, id: 2n ** 53n + 1n }]);
  const short = databaseOf(rows);
  const blank = new Uint8Array(3 * PAGE);
  blank.set(utf8("SQLite format 3\0"));
  return [
    { code: "corrupt", variant: "page", rows: first - 1, bytes: plainZip("x", page) },
    { code: "corrupt", variant: "rowid", rows: 2, bytes: plainZip("x", far) },
    { code: "corrupt", variant: "header", rows: 0, bytes: plainZip("x", blank) },
    { code: "corrupt", variant: "bare_page", rows: first - 1, bytes: page },
    { code: "truncated", variant: "bare", rows: 0, bytes: short.subarray(0, short.length - 3 * PAGE) },
  ];
}

/** Overwrites the first page of table rows that begins at the rowid `from` or later, and answers at which. */
function damagePage(database: Uint8Array, from: number): number {
  const view = new DataView(database.buffer);
  for (let at = PAGE; at < database.length; at += PAGE) {
    const isLeaf = database[at] === 0x0d;
    const first = isLeaf ? firstRowid(database, at + view.getUint16(at + 8)) : 0;
    if (first < from) continue;
    database.fill(0xa5, at, at + PAGE);
    return first;
  }
  throw new Error(`Cannot damage database: no page of it begins at row ${from} or later`);
}

/** The rowid of a cell: the second of its two varints, the first is its length. */
function firstRowid(database: Uint8Array, cell: number): number {
  let at = cell;
  const varint = () => {
    let value = 0;
    for (;;) {
      const byte = database[at++]!;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
  };
  varint();
  return varint();
}
