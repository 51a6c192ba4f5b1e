/**
 * Megastream files in a bucket of S3, or of a server that speaks like it.
 *
 * @module
 */
import type { _Object } from "@aws-sdk/client-s3";
import { getLogger } from "@logtape/logtape";
import { TransientError } from "../../pipeline/errors.ts";
import { type Backoff, fullJitter } from "../../pipeline/retry.ts";
import type { FileStore, ListedFile, ListOptions } from "./files.ts";
import { megastreamName, megastreamTime } from "./name.ts";
import { type S3Client, s3Client, type S3ClientOptions, watchdog } from "./s3_client.ts";
import { download } from "./s3_download.ts";
import { s3Error } from "./s3_errors.ts";
import type { TempFiles } from "./temp_files.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** How often everything is listed, so that files with an old time that came late are found. */
const FULL_LISTING_MS = 3_600_000;
/** How long a connection may be silent. */
const SILENCE_MS = 30_000;

/** Options of {@link s3Store}. */
export interface S3StoreOptions extends S3ClientOptions {
  /** The folder in the bucket, with or without its last `/`; default: the top. */
  readonly prefix?: string | undefined;
  /** Whether folders below it are descended into. */
  readonly recursive: boolean;
  /** Where downloads go. */
  readonly temp: TempFiles;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
  /** How long nothing may come before a connection is given up, in milliseconds; default: 30 s. */
  readonly silenceMs?: number;
  /** When a broken download goes on. */
  readonly backoff?: Backoff;
}

/**
 * The `.db.zip` files of a folder in a bucket. Everything is listed at first and every hour; in between, where all names tell their times,
 * only what begins at `sinceUs` or later.
 */
export async function s3Store(options: S3StoreOptions): Promise<FileStore> {
  const { bucket, recursive, temp, now = Date.now, silenceMs = SILENCE_MS, backoff = fullJitter() } = options;
  const folder = (options.prefix ?? "").replace(/[^/]$/, "$&/");
  const place = `s3://${bucket}/${folder}`;
  const client = await s3Client(options);
  let fullAt = -Infinity;
  let allNamed = true;

  async function list({ sinceUs, signal }: ListOptions): Promise<readonly ListedFile[]> {
    const begun = now();
    const bound = recursive || !allNamed || begun - fullAt >= FULL_LISTING_MS ? undefined : sinceUs;
    const startAfter = bound === undefined ? undefined : folder + nameBefore(bound);
    const files: ListedFile[] = [];
    for await (const object of objects(client, { folder, recursive, startAfter, place, silenceMs, signal })) {
      const file = listedFile(object, folder);
      if (file) files.push(file);
    }
    allNamed &&= files.every(({ name }) => megastreamTime(name) !== undefined);
    if (bound === undefined) fullAt = begun;
    log.debug("{place} has {files} files{after}", {
      place,
      files: files.length,
      after: startAfter === undefined ? "" : ` after ${startAfter}`,
    });
    return files.sort((a, b) => a.timeUs - b.timeUs || (a.name < b.name ? -1 : 1));
  }

  return {
    place,
    list,
    async probe({ signal }) {
      await nextPage(client, undefined, { folder, recursive, startAfter: undefined, place, silenceMs, signal });
    },
    async fetch({ name }, { signal }) {
      const target = await temp.make(".zip");
      try {
        const key = folder + name;
        await download({ client, key, place: `s3://${bucket}/${key}`, target, silenceMs, backoff, signal });
        target.close();
        return target;
      } catch (error) {
        await target[Symbol.asyncDispose]();
        throw error;
      }
    },
    [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** The name after which a listing has all files of a time and later: that of the last whole second before it. */
function nameBefore(us: number): string {
  return megastreamName((Math.ceil(us / 1e6) - 1) * 1e6);
}

interface ObjectsOptions {
  readonly folder: string;
  readonly recursive: boolean;
  readonly startAfter: string | undefined;
  readonly place: string;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** All objects, page by page. */
async function* objects(client: S3Client, options: ObjectsOptions): AsyncGenerator<_Object> {
  let token: string | undefined;
  do {
    const page = await nextPage(client, token, options);
    yield* page.Contents ?? [];
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

async function nextPage(client: S3Client, token: string | undefined, options: ObjectsOptions) {
  const { folder, recursive, startAfter, place, silenceMs, signal } = options;
  using watch = watchdog(silenceMs, signal);
  try {
    return await client.page({ prefix: folder, flat: !recursive, startAfter, token }, watch.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (watch.barked) throw new TransientError(`Cannot list ${place}: nothing came for ${silenceMs / 1000} s`);
    throw s3Error(`list ${place}`, error);
  }
}

/** What an object is called, or undefined if it is not one of those files. */
function listedFile({ Key = "", Size = 0, LastModified, ETag }: _Object, folder: string): ListedFile | undefined {
  const name = Key.slice(folder.length);
  if (!/(?:^|\/)[^./][^/]*\.db\.zip$/.test(name) || Size === 0) return undefined;
  const modifiedMs = LastModified?.getTime() ?? 0;
  const named = megastreamTime(name);
  if (named === undefined) log.debug("The name of {name} tells no time, its last change does", { name });
  return {
    name,
    timeUs: named ?? modifiedMs * 1000,
    size: Size,
    modifiedMs,
    ...(ETag !== undefined && { etag: ETag.replaceAll('"', "") }),
  };
}
