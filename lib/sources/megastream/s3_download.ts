/**
 * A download that goes on where it broke off.
 *
 * @module
 */
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput, InvalidObjectState } from "@aws-sdk/client-s3";
import { getLogger } from "@logtape/logtape";
import { messageOf, TransientError } from "../../pipeline/errors.ts";
import { type Backoff, delay } from "../../pipeline/retry.ts";
import { badFile, FileVanishedError } from "./files.ts";
import { type Checksum, checksumOf } from "./s3_checksum.ts";
import { type S3Client, watchdog } from "./s3_client.ts";
import { codeOf, s3Error } from "./s3_errors.ts";
import type { TempFile } from "./temp_files.ts";

const log = getLogger(["bskyingest", "megastream"]);

/** So many attempts in a row that bring nothing are enough; with the usual waits they take half a minute. */
const MOST_IDLE = 8;
/** So many times an object may arrive damaged before it is taken to lie there damaged. */
const MOST_DAMAGED = 3;

/** What {@link download} needs. */
export interface DownloadOptions {
  readonly client: S3Client;
  readonly key: string;
  /** For messages: `s3://bucket/key`. */
  readonly place: string;
  readonly target: TempFile;
  /** How long nothing may come before the connection is given up, in milliseconds. */
  readonly silenceMs: number;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
}

/** One version of an object; the file has its first bytes. */
interface Version {
  readonly etag: string | undefined;
  /** In bytes. */
  readonly size: number;
  readonly checksum: Checksum | undefined;
}

interface State {
  version: Version | undefined;
  damaged: number;
}

/**
 * Writes an object into a file. Where the connection breaks off or falls silent the rest is asked for; where the object was replaced
 * meanwhile all of it.
 *
 * @throws {FileVanishedError} There is no such object any more.
 * @throws {BadFileError} `archived`; `bad_crc`: it never is what its checksum says.
 * @throws {ConfigError} The service refuses it.
 * @throws {TransientError} Many attempts in a row have brought nothing.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { place, target, backoff, signal } = options;
  const state: State = { version: undefined, damaged: 0 };
  for (let idle = 0;;) {
    const had = target.size;
    try {
      await goOn(state, options);
      return await verify(state, options);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      idle = target.size > had ? 0 : idle + 1;
      const wait = idle < MOST_IDLE ? backoff(idle, error) : undefined;
      if (wait === undefined) throw error;
      log.warn("Downloading {place} again from byte {from} on: {error}", {
        place,
        from: target.size,
        error: messageOf(error),
      });
      await delay(wait, signal);
    }
  }
}

/** Fetches what is still missing. */
async function goOn(state: State, options: DownloadOptions): Promise<void> {
  const { client, key, place, target, silenceMs, signal } = options;
  using watch = watchdog(silenceMs, signal);
  let body: Readable | undefined;
  try {
    const response = await client.object({ key, from: target.size, etag: state.version?.etag }, watch.signal);
    body = response.Body as Readable;
    state.version = await versionOf(response, state, options);
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      watch.alive();
      await target.write(chunk);
      state.version.checksum?.update(chunk);
    }
  } catch (error) {
    if (error instanceof TransientError) throw error;
    if (watch.barked) throw new TransientError(`Cannot download ${place}: nothing came for ${silenceMs / 1000} s`);
    if (codeOf(error) === "PreconditionFailed" || codeOf(error) === "InvalidRange") {
      await startOver(state, target);
      throw new TransientError(`Cannot download ${place}: it was replaced meanwhile`, { cause: error });
    }
    if (body === undefined) throw objectError(place, error);
    throw new TransientError(`Cannot download ${place}: ${messageOf(error)}`, { cause: error });
  } finally {
    body?.destroy();
  }
}

/** Sees which version an answer brings. Where that is not the one begun, the file is emptied for it. */
async function versionOf(
  response: GetObjectCommandOutput,
  state: State,
  { place, target }: DownloadOptions,
): Promise<Version> {
  const { ContentRange, ContentLength, ETag } = response;
  const { version } = state;
  if (ContentRange === undefined && ContentLength !== undefined) { // all of it, asked for or not
    await target.clear();
    return { etag: ETag, size: ContentLength, checksum: await checksumOf(response) };
  }
  const rest = version && `bytes ${target.size}-${version.size - 1}/${version.size}`;
  if (version && ContentRange === rest && ETag === version.etag) return version;
  await startOver(state, target);
  throw new TransientError(`Cannot download ${place}: the answer is ${ContentRange ?? "of unknown length"}`);
}

/** Sees whether all that came is all that there is, and nothing else. */
async function verify(state: State, { place, target }: DownloadOptions): Promise<void> {
  const { size, checksum } = state.version!;
  if (target.size < size) throw new TransientError(`Cannot download ${place}: it ended at ${target.size} of ${size}`);
  const fault = await checksum?.fault();
  if (fault === undefined) return;
  await startOver(state, target);
  if (++state.damaged === MOST_DAMAGED) throw badFile("bad_crc", fault);
  throw new TransientError(`Cannot download ${place}: ${fault}`);
}

async function startOver(state: State, target: TempFile): Promise<void> {
  state.version = undefined;
  await target.clear();
}

/** What a failed request for an object means. */
function objectError(place: string, error: unknown): Error {
  switch (codeOf(error)) {
    case "NoSuchKey":
      return new FileVanishedError(`Cannot download ${place}: it is not there any more`, { cause: error });
    case "InvalidObjectState":
      return badFile("archived", archivedAs(error), error);
    default:
      return s3Error(`download ${place}`, error);
  }
}

function archivedAs(error: unknown): string {
  const { StorageClass } = error as InvalidObjectState;
  return `it must be restored first${StorageClass === undefined ? "" : `, its storage class is ${StorageClass}`}`;
}
