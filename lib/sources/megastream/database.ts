/**
 * The database in a Megastream file: finding its table, and reading it in slices.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { TransientError } from "../../pipeline/errors.ts";
import { badFile, type Row } from "./files.ts";

/** Which rows {@link Database.slices} reads. */
export interface SliceOptions {
  /** The rowid behind which it begins; undefined: at the first one. */
  readonly after?: number | undefined;
  /** The most rows of a slice. */
  readonly rows: number;
  /** The most bytes of a slice, but for its last row; a character counts as one. */
  readonly bytes: number;
  /** Whether the column `inferences` is wanted; if not, it is `undefined` in every row. */
  readonly inferences: boolean;
}

/** Rows that were read in one go. */
export interface Slice {
  /** At least one. */
  readonly rows: readonly Row[];
  /** How large they are; a character counts as one. */
  readonly bytes: number;
}

/** An open database. */
export interface Database extends Disposable {
  /** The highest rowid: the number of rows where none was removed; undefined where it cannot be read, or there is none. */
  readonly last: number | undefined;
  /**
   * Rows in the order of their rowids. Nothing else happens while a slice is read.
   *
   * @throws {BadFileError} `corrupt`, after the rows before it.
   * @throws {TransientError} The disk failed.
   */
  slices(options: SliceOptions): Generator<Slice, void>;
}

/** In the order in which they are looked for. */
const TABLES = ["enriched_posts", "posts"];
const NEEDED = ["at_uri", "did", "raw_post"];
/** Names of the rowid, of which a column may have taken some (https://sqlite.org/rowidtable.html). */
const ROWIDS = ["rowid", "_rowid_", "oid"];
/** Longer texts are cut, one character above it, so that memory is bounded and whoever reads the row sees that it is too long. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;
/** No row comes before it. */
const LEAST_ROWID = -(2n ** 63n);
/** Result codes (https://sqlite.org/rescode.html); Deno 2.9 gives none where opening fails. */
const IO_ERROR = 10, CANNOT_OPEN = 14, SHORT_READ = 522;
/**
 * Opens a database that nobody writes to, without a trace: no file is made, and none is left beside it.
 *
 * @throws {BadFileError} `schema`, `corrupt`.
 * @throws {TransientError} The disk failed, or the file is not there any more.
 */
export function openDatabase(path: string): Database {
  let db: DatabaseSync | undefined;
  try {
    db = openReadOnly(path);
    // The file may come from anybody: https://sqlite.org/security.html
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
    const table = findTable(db);
    const opened = db;
    return {
      last: lastRow(db, table),
      slices: (options) => readSlices({ path, db: opened, table }, options),
      [Symbol.dispose]: () => opened.close(),
    };
  } catch (error) {
    db?.close();
    throw readError(path, error);
  }
}

/** Deno takes URLs for relative paths unless everything is permitted. A path will do for all but a WAL in a read-only folder. */
function openReadOnly(path: string): DatabaseSync {
  try {
    return new DatabaseSync(new URL(`${pathToFileURL(resolve(path))}?immutable=1`), { readOnly: true });
  } catch {
    return new DatabaseSync(path, { readOnly: true });
  }
}

/** The table with the rows. */
interface Table {
  readonly name: string;
  /** What its rowid is called. */
  readonly rowid: string;
  readonly columns: ReadonlySet<string>;
}

function findTable(db: DatabaseSync): Table {
  const known = db.prepare("SELECT lower(name) AS name, type, wr FROM pragma_table_list WHERE schema = 'main'").all();
  const found = TABLES.map((name) => known.find((table) => table.name === name)).find((table) => table !== undefined);
  if (!found) throw badFile("schema", `there is neither a table ${TABLES.join(" nor ")}`);
  const name = String(found.name);
  if (found.type !== "table") throw badFile("schema", `${name} is a ${found.type} and not an ordinary table`);
  if (found.wr) throw badFile("schema", `${name} is a table without rowids`);
  const rows = db.prepare("SELECT lower(name) AS name FROM pragma_table_xinfo(?)").all(name);
  const columns = new Set(rows.map((column) => String(column.name)));
  const missing = NEEDED.filter((column) => !columns.has(column));
  if (missing.length > 0) throw badFile("schema", `${name} has no column ${missing.join(", ")}`);
  const rowid = ROWIDS.find((each) => !columns.has(each));
  if (rowid === undefined) throw badFile("schema", `${name} hides its rowids behind columns`);
  return { name, rowid, columns };
}

/** It only shows how far reading is: where the end is damaged, the rows before are read all the same. */
function lastRow(db: DatabaseSync, { name, rowid }: Table): number | undefined {
  try {
    const { last } = db.prepare(`SELECT max(${rowid}) AS last FROM ${name}`).get()!;
    return typeof last === "number" ? last : undefined;
  } catch {
    return undefined;
  }
}

/** What there is to read from. */
interface Opened {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly table: Table;
}

function* readSlices({ path, db, table }: Opened, options: SliceOptions): Generator<Slice, void> {
  const next = rowQuery(db, table, options);
  let rows: Row[] = [];
  let bytes = 0;
  let failure: unknown;
  try {
    for (let row: Row | undefined; (row = next());) {
      rows.push(row);
      bytes += lengthOf(row.raw_post) + lengthOf(row.inferences);
      if (rows.length < options.rows && bytes < options.bytes) continue;
      yield { rows, bytes };
      rows = [];
      bytes = 0;
    }
  } catch (error) {
    failure = readError(path, error); // thrown behind the rows before it
  }
  if (rows.length > 0) yield { rows, bytes };
  if (failure !== undefined) throw failure;
}

/**
 * Reads row after row, each by a query of its own: Deno 2.9's `iterate` takes a damaged page for the end of the table. That costs 4 us
 * a row.
 */
function rowQuery(db: DatabaseSync, { name, rowid, columns }: Table, options: SliceOptions): () => Row | undefined {
  const cut = (column: string) =>
    `CASE WHEN octet_length(${column}) > ${MAX_TEXT_BYTES} THEN substr(${column}, 1, ${MAX_TEXT_BYTES + 1})
      ELSE ${column} END AS ${column}`;
  const selected = [
    `${rowid} AS "row"`,
    ...NEEDED.map(cut),
    columns.has("created_at") ? cut("created_at") : "NULL AS created_at",
    // Half of the bytes: left alone where nobody wants them.
    ...(!options.inferences ? [] : [columns.has("inferences") ? cut("inferences") : "NULL AS inferences"]),
  ];
  const query = db.prepare(`SELECT ${selected.join(", ")} FROM ${name} WHERE ${rowid} > ? ORDER BY ${rowid} LIMIT 1`);
  query.setReadBigInts(true); // a number that JavaScript has no room for would be an error
  let after = options.after === undefined ? LEAST_ROWID : BigInt(options.after);
  return () => {
    const found = query.get(after);
    if (!found) return undefined;
    const { at_uri, did, raw_post, inferences, created_at } = found;
    // A damaged tree leads in circles.
    if (found.row as bigint <= after) throw badFile("corrupt", `row ${found.row} comes behind row ${after}`);
    after = found.row as bigint;
    const row = Number(after);
    if (!Number.isSafeInteger(row)) throw badFile("corrupt", `rowid ${after} is out of range`);
    return { row, at_uri, did, raw_post, inferences, created_at };
  };
}

function lengthOf(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
}

/** What a failure says of the file. What SQLite did not cause is a bug and stays as it is. */
function readError(path: string, error: unknown): unknown {
  const { code, errcode } = (error ?? {}) as { readonly code?: unknown; readonly errcode?: number };
  if (code !== "ERR_SQLITE_ERROR") return error;
  if (errcode === SHORT_READ) return badFile("corrupt", "the database ends before its last page", error);
  const { message } = error as Error;
  const primary = errcode === undefined ? CANNOT_OPEN : errcode & 0xff; // the other bits tell more exactly what happened
  return primary === IO_ERROR || primary === CANNOT_OPEN
    ? new TransientError(`Cannot read ${path}: ${message}`, { cause: error })
    : badFile("corrupt", message, error);
}
