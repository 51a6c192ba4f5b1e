/**
 * Megastream files before they are opened: where they lie, and what can be wrong with them.
 *
 * @module
 */

/** A file as a listing shows it. */
export interface ListedFile {
  /** Base name; with folders in front, as `a/b.db.zip`, where those are descended into. The state file calls it so. */
  readonly name: string;
  /** Its time in microseconds since 1970: from the name, else when it was last modified. */
  readonly timeUs: number;
  /** In bytes. */
  readonly size: number;
  /** When it was last modified, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Of S3, without quotes. */
  readonly etag?: string;
}

/** A file on the local disk; disposed of, it is removed if it was fetched. */
export interface LocalFile extends AsyncDisposable {
  /** Where it lies. */
  readonly path: string;
}

/** Which part of a listing is wanted. */
export interface ListOptions {
  /** Files before this time (microseconds) need not be listed; where that saves nothing they are listed all the same. */
  readonly sinceUs?: number | undefined;
  /** Gives up when it aborts. */
  readonly signal: AbortSignal;
}

/** A folder, or a bucket. */
export interface FileStore extends AsyncDisposable {
  /** For the start line: `/data/mega`, `s3://bucket/prefix`. */
  readonly place: string;
  /** Some files were named one by one: another one that is not listed need not be gone. */
  readonly partOnly?: boolean;
  /**
   * All files that there are now, by time, then by name.
   *
   * @throws {ConfigError} Where it can never be listed as it is.
   * @throws {TransientError} Where it may work later.
   */
  list(options: ListOptions): Promise<readonly ListedFile[]>;
  /** Sees whether it can be listed, by one request. Only where a listing takes many. @throws As `list` does. */
  probe?(options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Brings a file to the local disk.
   *
   * @throws {FileVanishedError} It is not there any more.
   * @throws {BadFileError} `archived`.
   * @throws {ConfigError | TransientError} As `list` does. Transient faults of a download are retried inside, as long as it gets on.
   */
  fetch(file: ListedFile, options: { readonly signal: AbortSignal }): Promise<LocalFile>;
  /** The file as it is now; undefined: it is not there any more. Only where files are copied in while they are listed. */
  look?(file: ListedFile): Promise<ListedFile | undefined>;
  /** Removes it for good. Only of local stores. */
  remove?(file: ListedFile): Promise<void>;
}

/** What can be wrong with a file. */
export type BadFileCode =
  | "unknown_format"
  | "empty"
  | "several_databases"
  | "no_database"
  | "encrypted"
  | "compression"
  | "too_large"
  | "bad_crc"
  | "truncated"
  | "not_sqlite"
  | "schema"
  | "corrupt"
  | "archived";

/** A file that cannot be read, or not further. It is reported and left; others go on. */
export class BadFileError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "BadFileError";
  /** What is wrong. */
  readonly code: BadFileCode;

  /**
   * Something that is wrong with a file.
   *
   * @param detail What exactly, without the code.
   */
  constructor(code: BadFileCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}

/** The same in short, with what led to it. */
export function badFile(code: BadFileCode, detail: string, cause?: unknown): BadFileError {
  return new BadFileError(code, detail, { cause });
}

/** A file that was listed is gone. */
export class FileVanishedError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "FileVanishedError";
}

/** A row as the database has it: a column is missing, or of another type than it should be, or both. */
export interface Row {
  /** The rowid. */
  readonly row: number;
  /** The post's AT-URI; empty on rows of accounts and identities. */
  readonly at_uri: unknown;
  /** The author, or the account. */
  readonly did: unknown;
  /** JSON: the event, and what hydration added. */
  readonly raw_post: unknown;
  /** JSON: what models made of the post; `undefined`: nobody wants it. */
  readonly inferences: unknown;
  /** When the row was enriched: `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly created_at: unknown;
}
