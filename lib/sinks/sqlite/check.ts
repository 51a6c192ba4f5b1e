/**
 * What a database file holds before a run writes into it. Nothing here writes.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../../pipeline/errors.ts";
import { damaged } from "../../state/sqlite_faults.ts";
import { hasTable } from "../../state/sqlite_file.ts";
import { quoted, type SchemaObject } from "./names.ts";

/** `bsky`: marks a file that bskyingest made. */
export const APPLICATION_ID = 0x62736b79;
/** The version of the tables, kept as `user_version` in files of our own. */
export const SCHEMA_VERSION = 1;

/** A file up to this size is read whole at start: a tenth of a second. */
const SMALL_FILE_BYTES = 64 * 2 ** 20;

/** What a file lacks. */
export interface Missing {
  /** Nobody has put anything into the file yet, so that it may be marked as ours. */
  readonly blank: boolean;
  readonly objects: readonly SchemaObject[];
}

type Columns = ReadonlyMap<string, string>;

/** The columns of a table or view by name; of a table with what is declared of them. */
function columnsOf(db: DatabaseSync, { type, name }: Pick<SchemaObject, "type" | "name">): Columns {
  const rows = db.prepare('SELECT name, type, "notnull", pk FROM pragma_table_info(?)').all(name);
  // A key column counts as NOT NULL in strict tables and not in others: no difference to us.
  const declared = (row: (typeof rows)[number]) =>
    `${row.type}${row.pk ? " PRIMARY KEY" : row.notnull ? " NOT NULL" : ""}`;
  return new Map(rows.map((row) => [row.name as string, type === "view" ? "any" : declared(row)]));
}

/** How each object's columns must be, by its name: as SQLite itself sees them in a database with nothing else. */
function wantedColumns(schema: readonly SchemaObject[]): Map<string, Columns> {
  using db = new DatabaseSync(":memory:");
  for (const { sql } of schema) db.exec(sql);
  return new Map(schema.filter((o) => o.type !== "index").map((o) => [o.name, columnsOf(db, o)]));
}

/** @throws {ConfigError} Where one column is not as it must be. */
function compareColumns(path: string, object: SchemaObject, found: Columns, wanted: Columns): void {
  const fail = (column: string, state: string) => {
    const text = `Cannot use ${path}: column "${column}" of its ${object.type} "${object.name}" ${state}`;
    throw new ConfigError(text, { hint: "Choose another table name, or another file" });
  };
  for (const [name, declared] of wanted) {
    const there = found.get(name);
    if (there === undefined) fail(name, "is missing");
    if (there !== declared) fail(name, `is ${there}, not ${declared}`);
  }
  for (const name of found.keys()) if (!wanted.has(name)) fail(name, "is not one of bskyingest's");
}

/**
 * Which objects of `schema` are not in the database yet. Indices count only while their table is missing too: on a table
 * that exists they are the user's decision.
 *
 * @throws {ConfigError} Where the file was made by a newer version, or something of another shape stands under a name of ours.
 */
export function findMissing(db: DatabaseSync, path: string, schema: readonly SchemaObject[]): Missing {
  const application = db.prepare("PRAGMA application_id").get()!.application_id as number;
  const version = db.prepare("PRAGMA user_version").get()!.user_version as number;
  if (application === APPLICATION_ID && version > SCHEMA_VERSION) {
    const text = `Cannot use ${path}: it was made by a newer bskyingest (version ${version} of its tables)`;
    throw new ConfigError(text, { hint: "Update bskyingest, or choose another file" });
  }
  const rows = db.prepare("SELECT type, lower(name) AS name FROM sqlite_master").all();
  const types = new Map(rows.map((row) => [row.name as string, row.type as string]));
  const wanted = wantedColumns(schema);
  const objects: SchemaObject[] = [];
  let tableExists = false;
  for (const object of schema) {
    const type = types.get(object.name.toLowerCase());
    if (object.type === "table") tableExists = type !== undefined;
    if (object.type === "index" && tableExists) continue;
    if (type === undefined) objects.push(object);
    else if (type !== object.type) {
      const text = `Cannot use ${path}: its ${type} "${object.name}" stands where a ${object.type} has to be`;
      throw new ConfigError(text, { hint: "Choose another table name, or another file" });
    } else if (type !== "index") compareColumns(path, object, columnsOf(db, object), wanted.get(object.name)!);
  }
  return { blank: types.size === 0 && application === 0 && version === 0, objects };
}

/**
 * Looks for damage in the tables of ours that exist: small files whole, of larger ones both ends of the log.
 *
 * @throws {ConfigError} With a hint at `sqlite3 FILE .recover`.
 */
export function checkIntact(db: DatabaseSync, path: string, table: string): void {
  const { page_count } = db.prepare("PRAGMA page_count").get()!;
  const { page_size } = db.prepare("PRAGMA page_size").get()!;
  if ((page_count as number) * (page_size as number) <= SMALL_FILE_BYTES) {
    for (const name of [table, "origins", "cursors", "gaps"].filter((name) => hasTable(db, name))) {
      const [finding] = Object.values(db.prepare(`PRAGMA quick_check(${quoted(name)})`).get() ?? {});
      if (finding !== undefined && finding !== "ok") throw damaged(path, `it is damaged: ${finding}`);
    }
    return;
  }
  if (!hasTable(db, table)) return;
  for (const end of ["ASC", "DESC"]) {
    db.prepare(`SELECT json FROM ${quoted(table)} ORDER BY position ${end} LIMIT 1`).get();
  }
}
