/**
 * The shape of the file that says which Megastream files are done: a JSON array, as early ingex wrote it, with more keys.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";

/** What is known of one file. Keys of other programs are kept beside these. */
export interface FileEntry {
  /** Base name, or the path below the root, with `/`. */
  readonly filename: string;
  /** `partial`: begun. `low_water`: no file, but the time up to which every file that is not listed counts as processed. */
  readonly status: "processed" | "failed" | "partial" | "low_water";
  /** When that came to be: RFC 3339, UTC. */
  readonly timestamp: string;
  /** Of a failed file: `<code>: <detail>`. */
  readonly error?: string;
  /** Passes in which the file was tried, this one included; what a shutdown or the sink broke off goes on as the same one. */
  readonly attempts?: number;
  /** Rows that are settled, over all runs. */
  readonly rows?: number;
  /** Of these, how many went to the dead letter. */
  readonly rejected?: number;
  /** Of these, how many were left out on purpose. */
  readonly skipped?: number;
  /** The rowid up to which all rows are settled. Absent: none are, or the sink knows better. */
  readonly cursor?: number;
  /** Of the file that was read, in bytes; absent in what early ingex wrote. */
  readonly size?: number;
  /** When it was last modified: RFC 3339, UTC. */
  readonly mtime?: string;
  /** Of S3, without quotes. */
  readonly etag?: string;
}

/** What tells a file from another one of the same name. */
export interface FileFacts {
  readonly name: string;
  /** In microseconds since 1970. */
  readonly timeUs: number;
  /** In bytes. */
  readonly size: number;
  /** In milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Of S3. */
  readonly etag?: string;
}

const STATUSES: readonly unknown[] = ["processed", "failed", "partial", "low_water"] satisfies FileEntry["status"][];
const COUNTS = ["attempts", "rows", "rejected", "skipped", "cursor", "size"] as const;
const TEXTS = ["timestamp", "error", "mtime", "etag"] as const;
const KEYS: ReadonlySet<string> = new Set(["filename", "status", ...TEXTS, ...COUNTS]);

/** In how many passes a file turned out to be bad. An entry with only the four keys of early ingex counts as none. */
export function failedAttempts(entry: FileEntry | undefined): number {
  const { status, attempts = 0 } = entry ?? {};
  return status === "failed" ? attempts : Math.max(0, attempts - 1);
}

/** The keys of an entry that are not ours. */
export function otherKeys(entry: FileEntry | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry ?? {}).filter(([key]) => !KEYS.has(key)));
}

/** When a file was last modified, as an entry has it. */
export function mtimeOf({ modifiedMs }: FileFacts): string {
  return new Date(modifiedMs).toISOString();
}

/** Whether an entry is of another file with this name. Of what early ingex wrote nobody can tell: false. */
export function isChanged(entry: FileEntry | undefined, file: FileFacts): boolean {
  if (entry?.size === undefined) return false;
  if (entry.size !== file.size) return true;
  // A file that was fetched from S3 by other means has another time of modification, and no ETag.
  if (entry.etag !== undefined || file.etag !== undefined) {
    return entry.etag !== undefined && file.etag !== undefined && entry.etag !== file.etag;
  }
  return entry.mtime !== undefined && entry.mtime !== mtimeOf(file);
}

/**
 * Reads the file's text.
 *
 * @param path Named in errors.
 * @param nameOf The name of a file with a time in microseconds: later ingex kept `{"last_time_us": n}` and nothing else.
 * @throws {ConfigError} For anything that is not such an array or object: never "nothing is done yet".
 */
export function parseEntries(text: string, path: string, nameOf: (us: number) => string): FileEntry[] {
  const damaged = (state: string) =>
    new ConfigError(`Cannot read processed files from ${path}: ${state}`, {
      hint: "Put a good copy in its place, or remove it to read every file again",
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged("the file is not JSON");
  }
  if (isObject(value) && "last_time_us" in value) {
    const us = value.last_time_us;
    if (!isCount(us)) throw damaged(`"last_time_us" must be microseconds since 1970`);
    return [{ filename: nameOf(us), status: "low_water", timestamp: new Date(us / 1000).toISOString() }];
  }
  if (!Array.isArray(value)) throw damaged("it must be a JSON array");
  return value.map((each, i) => {
    const fault = entryFault(each, i);
    if (fault) throw damaged(`entry ${i + 1}: ${fault}`);
    return each as FileEntry;
  });
}

function entryFault(value: unknown, index: number): string | undefined {
  if (!isObject(value)) return "it must be an object";
  if (typeof value.filename !== "string" || value.filename === "") return `"filename" must be a name`;
  if (!STATUSES.includes(value.status)) return `"status" must be processed, failed, partial or low_water`;
  if (value.status === "low_water" && index > 0) return `only the first one may be "low_water"`;
  const count = COUNTS.find((key) => value[key] !== undefined && !isCount(value[key]));
  if (count) return `"${count}" must be a whole number`;
  const text = TEXTS.find((key) => value[key] !== undefined && typeof value[key] !== "string");
  return text && `"${text}" must be a text`;
}

/** The file's text: one line an entry. */
export function printEntries(entries: readonly FileEntry[]): string {
  return entries.length === 0 ? "[]\n" : `[\n${entries.map((entry) => JSON.stringify(entry)).join(",\n")}\n]\n`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
