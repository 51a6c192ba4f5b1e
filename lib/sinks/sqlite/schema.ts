/**
 * The tables and indices of the SQLite sink.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { CURSORS_SQL } from "../../state/cursors_table.ts";
import { GAPS_SQL } from "../../state/gaps.ts";
import { indexName, quoted, type SchemaObject } from "./names.ts";
import { viewsOf } from "./views.ts";

/** An index that can be made with the table; what each costs and serves: {@link INDEXES}. */
export type SqliteIndex = "time" | "changed" | "collection";

/** `time` answers by time and serves recall, `changed` keeps the views quick. */
export const DEFAULT_INDEXES: readonly SqliteIndex[] = ["time", "changed"];

/** Every index that is offered. `changed` holds only what is not a create: about one event in twenty. */
const INDEXES: Readonly<Record<SqliteIndex, string>> = {
  time: "(time_us)",
  changed: "(did, collection, rkey) WHERE operation <> 'create'",
  collection: "(collection)",
};

/** The names for `--indexes`. */
export const SQLITE_INDEXES: readonly SqliteIndex[] = Object.keys(INDEXES) as SqliteIndex[];

const ORIGINS_SQL =
  `CREATE TABLE origins (id INTEGER PRIMARY KEY, source TEXT NOT NULL, wire TEXT NOT NULL, host TEXT NOT NULL,
  UNIQUE (source, wire, host)) STRICT`;

function logSql(table: string): string {
  return `CREATE TABLE ${quoted(table)} (
  position   INTEGER PRIMARY KEY,   -- 1, 2, 3 ... as written: the order of arrival, without holes
  did        TEXT NOT NULL,
  time_us    INTEGER NOT NULL,      -- microseconds since 1970, UTC
  kind       TEXT NOT NULL,         -- commit | identity | account | sync | label | repo
  collection TEXT, operation TEXT,  -- operation: create | update | delete
  rkey       TEXT, rev TEXT, cid TEXT,
  seq        INTEGER,               -- the upstream's own number, if it has one
  origin     INTEGER NOT NULL,      -- origins.id
  json       TEXT NOT NULL          -- the event as JSON text; from Jetstream's v1 wire as received, byte for byte
) STRICT`;
}

/** @throws {ConfigError} Where a name is not in {@link SQLITE_INDEXES}. */
export function checkIndexes(indexes: readonly string[]): void {
  const unknown = indexes.find((name) => !(SQLITE_INDEXES as readonly string[]).includes(name));
  if (unknown === undefined) return;
  throw new ConfigError(`Cannot make index ${JSON.stringify(unknown)}: it must be one of ${SQLITE_INDEXES.join(", ")}`);
}

/** All that belongs to a log named `table`, in the order in which it can be made. */
export function schemaOf(table: string, indexes: readonly SqliteIndex[]): SchemaObject[] {
  return [
    { type: "table", name: table, sql: logSql(table) },
    ...indexes.map((index): SchemaObject => {
      const name = indexName(table, index);
      return { type: "index", name, sql: `CREATE INDEX ${name} ON ${quoted(table)}${INDEXES[index]}` };
    }),
    { type: "table", name: "origins", sql: ORIGINS_SQL },
    { type: "table", name: "cursors", sql: CURSORS_SQL },
    { type: "table", name: "gaps", sql: GAPS_SQL },
    ...viewsOf(table),
  ];
}
