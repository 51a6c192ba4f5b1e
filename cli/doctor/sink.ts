/**
 * Whether the sink would take events.
 *
 * @module
 */
import { SINKS } from "../../lib/sinks/registry.ts";
import { queueFile } from "../../lib/sinks/queue/names.ts";
import { isComplete as checkQueueTables } from "../../lib/sinks/queue/schema.ts";
import { findMissing } from "../../lib/sinks/sqlite/check.ts";
import { checkTable } from "../../lib/sinks/sqlite/names.ts";
import { schemaOf, type SqliteIndex } from "../../lib/sinks/sqlite/schema.ts";
import { fileError } from "../../lib/state/files.ts";
import { faultOf } from "../../lib/state/sqlite_faults.ts";
import { hasTable, readDatabase, sizeOf } from "../../lib/state/sqlite_file.ts";
import type { Target } from "../ingest/target.ts";
import type { Values } from "../kit/declaration.ts";
import type { elasticsearchOptions } from "../options/elasticsearch.ts";
import type { redisOptions } from "../options/redis.ts";
import { fail, type Finding, ok, skip, warn } from "./check.ts";
import { checkElasticsearch } from "./elasticsearch.ts";
import { checkRedis } from "./redis.ts";

/** A larger file is not read from end to end. */
const MOST_BYTES = 2 ** 30;

/** The settings that a sink reads. */
export interface SinkValues extends Values<typeof elasticsearchOptions & typeof redisOptions> {
  readonly db: string;
  readonly table: string;
  readonly indexes: readonly string[];
  readonly out: string;
  readonly queueDir: string;
  readonly queueName: string;
}

/**
 * Looks at what the sink would write to, by the sink's own rules, without making anything.
 *
 * @param collections What is read; undefined: anything.
 */
export async function checkSink(
  { sink, why, stream }: Target,
  values: SinkValues,
  collections: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Finding> {
  const finding = sink === "sqlite"
    ? await checkSqlite(values)
    : sink === "elasticsearch"
    ? await checkElasticsearch(values, collections, signal)
    : stream !== undefined
    ? await checkRedis(stream, values, signal)
    : sink === "queue"
    ? checkQueue(queueFile(values.queueDir, values.queueName))
    : sink === "ndjson"
    ? await checkNdjson(values.out)
    : ok(SINKS[sink].brief);
  return { ...finding, detail: `${sink} (${why}): ${finding.detail}` };
}

/** Whether another program keeps the database to itself. It takes seconds to tell, so it is asked once for all checks. */
export function isLocked({ position }: Target): boolean {
  if (position === undefined || "file" in position) return false;
  try {
    readDatabase(position.db, (db) => hasTable(db, "cursors"));
    return false;
  } catch (error) {
    return error instanceof Error && faultOf(error.cause) === "busy";
  }
}

async function checkSqlite({ db: path, table, indexes }: SinkValues): Promise<Finding> {
  checkTable(table);
  const bytes = sizeOf(path);
  if (bytes === undefined) return ok(`${path} will be made`);
  (await tryToOpen(path)).close();
  const schema = schemaOf(table, indexes.filter((index) => index !== "none") as SqliteIndex[]);
  return readDatabase(path, (db) => {
    findMissing(db, path, schema);
    if (bytes > MOST_BYTES) return skip(`${path} is too large to be read as a whole`);
    const [finding] = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {});
    return finding === "ok" ? ok(`${path} is sound`) : fail(`${path} is damaged: ${finding}`);
  })!;
}

function checkQueue(path: string): Finding {
  return readDatabase(path, (db) => {
    checkQueueTables(db, path, true);
    return ok(`${path} is a queue`);
  }) ?? ok(`${path} will be made`);
}

async function checkNdjson(path: string): Promise<Finding> {
  if (sizeOf(path) === undefined) return ok(`${path} will be made`);
  using file = await tryToOpen(path);
  if (!(await file.stat()).isFile) return fail(`${path} is no regular file`);
  return await file.tryLock(false) ? ok(`${path} is writable`) : warn(`another process is writing to ${path}`);
}

/**
 * Opens an existing file as a writer would.
 *
 * @throws {ConfigError} Where that cannot be.
 */
export async function tryToOpen(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true, append: true });
  } catch (error) {
    throw fileError("write", path, error);
  }
}
