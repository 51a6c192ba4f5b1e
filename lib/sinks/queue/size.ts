/**
 * How large a queue is.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { sizeOf } from "../../state/sqlite_file.ts";

/** File and write-ahead log, in bytes, as they lie on the disk. */
export function fileBytes(file: string): number {
  return (sizeOf(file) ?? 0) + walBytes(file);
}

function walBytes(file: string): number {
  return sizeOf(`${file}-wal`) ?? 0;
}

/** The same without pages that are free to be written again: a file does not shrink when rows are deleted. */
export function usedBytes(db: DatabaseSync, file: string): number {
  const read = (pragma: string) => db.prepare(`PRAGMA ${pragma}`).get()![pragma] as number;
  return (read("page_count") - read("freelist_count")) * read("page_size") + walBytes(file);
}

/** Empties the write-ahead log into the file, as far as readers let it. */
export function emptyLog(db: DatabaseSync): void {
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}
