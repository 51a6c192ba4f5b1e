/**
 * What the objects of the SQLite sink are called.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";

/** Where the log is kept unless named otherwise. */
export const DEFAULT_TABLE = "events";

/** Something with a name in a database file, and the SQL that makes it. */
export interface SchemaObject {
  readonly type: "table" | "index" | "view";
  readonly name: string;
  readonly sql: string;
}

/** A table's name in SQL: one that a user chose may be a keyword. */
export function quoted(table: string): string {
  return table === DEFAULT_TABLE ? table : `"${table}"`;
}

/** What an index of the log `table` is called. */
export function indexName(table: string, index: string): string {
  return `${table}_${index}`;
}

/** What a view over the log `table` is called: the default table's stand without a prefix. */
export function viewName(table: string, view: string): string {
  return table === DEFAULT_TABLE ? view : `${table}_${view}`;
}

/** @throws {ConfigError} Where `table` is no name for the log. */
export function checkTable(table: string): void {
  const state = !/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(table)
    ? "it must be a letter or _, then up to 63 letters, digits or _"
    : /^sqlite_/i.test(table)
    ? "names from sqlite_ on belong to SQLite"
    : /^(origins|cursors|gaps|consumed)$/i.test(table)
    ? "bskyingest keeps something else in a table of that name"
    : undefined;
  if (state) throw new ConfigError(`Cannot use table name ${JSON.stringify(table)}: ${state}`);
}
