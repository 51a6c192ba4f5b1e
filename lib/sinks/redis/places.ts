/**
 * What is known of the position of every host that is written for, and what to do when Redis knows less.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { replyCode } from "../../net/redis/errors.ts";
import type { RedisLink } from "../../net/redis/link.ts";
import { hostOfKey, type StreamKeys } from "../../net/redis/stream_keys.ts";
import type { Cursor, Gap } from "../../pipeline/batch.ts";
import { ConfigError, messageOf, RewoundError, TransientError } from "../../pipeline/errors.ts";
import { delay, fullJitter } from "../../pipeline/retry.ts";
import type { SinkBatch } from "../../pipeline/sink.ts";
import type { OwnedKeys, Owners } from "./owner.ts";

const log = getLogger(["bskyingest", "redis"]);

/** What {@link writerPlaces} needs. */
export interface PlacesOptions {
  readonly link: RedisLink;
  readonly stream: string;
  /** Where the keys are; may throw what `start` throws. */
  readonly keys: () => Promise<StreamKeys>;
  readonly owned: Owners;
  readonly recordGaps?: (key: string, gaps: readonly Gap[]) => Promise<unknown>;
  readonly stop?: AbortSignal | undefined;
}

/** What is known of a host. */
export interface Writer {
  /** The source's key. */
  readonly key: string;
  readonly keys: OwnedKeys;
  token: string;
  /** Writes that are known to be done under this token. */
  done: number;
  /** The last position that Redis confirmed. */
  confirmed: Cursor | undefined;
  /** The batch whose write may or may not be done. */
  pending: object | undefined;
}

/** What is looked at of a batch. */
type BatchOfKey = Pick<SinkBatch<unknown>, "key" | "items">;

/** The writers of a sink, by the source's key. */
export interface Places {
  /** Who writes a batch: acquires the host where that was not done yet. */
  of(batch: BatchOfKey, signal: AbortSignal): Promise<Writer>;
  /**
   * Redis does not have what it had confirmed (`certain`), or the writer key is gone. Answers who writes on, where nothing is to be
   * read again.
   *
   * @throws {RewoundError} Where something is.
   */
  recover(key: string, certain: boolean, signal: AbortSignal): Promise<Writer>;
  /** The position of a key: Redis's own, or the last one that it confirmed and lost. Waits until it can be read. */
  load(key: string): Promise<Cursor | undefined>;
}

/** Makes the writers of a sink. */
export function writerPlaces({ link, stream, owned, stop, ...options }: PlacesOptions): Places {
  const writers = new Map<string, Writer>();

  /** Becomes the writer of a key's host, once more if it is already. Answers the position that stands there. */
  async function acquire(key: string, signal?: AbortSignal): Promise<{ writer: Writer; stored: Cursor | undefined }> {
    const names = await options.keys();
    const host = hostOfKey(key);
    const keys = { cursor: names.cursor(host), writer: names.writer(host) };
    const known = writers.get(key);
    const { token, cursor } = await owned.acquire(keys, known?.token, signal);
    const plain = names.plainCursor(host);
    const stored = cursor ?? (plain && !known ? await link.send(plain, ["GET", plain]) ?? undefined : undefined);
    const writer = { key, keys, token, done: 0, confirmed: known ? known.confirmed : stored, pending: undefined };
    writers.set(key, writer);
    return { writer, stored };
  }

  async function of({ key, items }: BatchOfKey, signal: AbortSignal): Promise<Writer> {
    const known = writers.get(key);
    if (known && (known.pending === undefined || known.pending === items)) return known;
    // A write that nobody waits for any more must not be taken for this one: under another token it comes to nothing.
    const { writer, stored } = await acquire(key, signal);
    writer.confirmed = stored ?? writer.confirmed;
    return writer;
  }

  async function recover(key: string, certain: boolean, signal: AbortSignal): Promise<Writer> {
    const { writer, stored } = await acquire(key, signal);
    const last = writer.confirmed;
    if (stored === last && !certain) return writer;
    if (stored === undefined) {
      if (last !== undefined) await lose(writer, "redis_lost", "open");
      return writer;
    }
    await lose(writer, "redis_rewound", "healed", stored);
    writer.confirmed = stored;
    throw new RewoundError(
      `Cannot go on after ${last ?? "nothing"} at ${link.describe}: Redis has lost writes, the position is ${stored}`,
    );
  }

  /** Records that writes up to the last confirmed one are gone: those after `from`, or who knows which. */
  async function lose(
    { key, confirmed: to }: Writer,
    reason: string,
    state: Gap["state"],
    from?: Cursor,
  ): Promise<void> {
    const number = (cursor: Cursor | undefined) => /^\d+$/.test(cursor ?? "") ? Number(cursor) : undefined;
    const detail = `${stream} at ${link.describe}`;
    const gap: Gap = {
      source: "redis",
      host: hostOfKey(key),
      unit: "seq",
      from: number(from),
      to: number(to),
      reason,
      detail,
      state,
    };
    log.warn("Redis has lost what it had confirmed: {reason}, {detail}, from {from} to {to}", { ...gap });
    await options.recordGaps?.(key, [gap]);
  }

  const load = (key: string) =>
    patiently(async () => {
      const { writer, stored } = await acquire(key, stop);
      if (stored === undefined && writer.confirmed !== undefined) {
        await lose(writer, "redis_lost", "open");
      }
      return writer.confirmed = stored ?? writer.confirmed;
    }, stop);

  return { of, recover, load };
}

/** Tries until it works: a position that cannot be read is not "none". */
async function patiently<T>(work: () => Promise<T>, stop: AbortSignal | undefined): Promise<T> {
  const backoff = fullJitter();
  for (let attempt = 0;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (replyCode(error) === "WRONGTYPE") throw new ConfigError(messageOf(error), { cause: error });
      if (!(error instanceof TransientError)) throw error;
      if (attempt === 0) log.warn("Cannot read the position yet: {error}", { error: messageOf(error) });
      await delay(backoff(attempt, error)!, stop);
    }
  }
}
