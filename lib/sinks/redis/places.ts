/**
 * What is known of the position of every host that is written for, and what to do when Redis knows less.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { replyCode } from "../../net/redis/errors.ts";
import type { RedisLink } from "../../net/redis/link.ts";
import { patiently } from "../../net/redis/patience.ts";
import { hostOfKey, type StreamKeys, writerOfHost } from "../../net/redis/stream_keys.ts";
import type { Cursor, Gap } from "../../pipeline/batch.ts";
import { ConfigError, messageOf, RewoundError } from "../../pipeline/errors.ts";
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
  readonly givenOnce?: boolean;
  readonly recordGaps?: (key: string, gaps: readonly Gap[]) => Promise<unknown>;
  readonly stop?: AbortSignal | undefined;
}

/** Who writes for a host, or for all files. */
export interface Writer {
  /** Its writer key. */
  readonly name: string;
  readonly token: string;
  /** Writes that are known to be done under this token. */
  done: number;
  /** The batch whose write may or may not be done. */
  pending: object | undefined;
}

/** What is looked at of a batch. */
type BatchOfKey = Pick<SinkBatch<unknown>, "key" | "items">;

/** The positions of a sink and who writes them, by the source's key. */
export interface Places {
  /** The key of a position. */
  cursorKey(key: string): Promise<string>;
  /** The last position that Redis confirmed. */
  readonly confirmed: Map<string, Cursor>;
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
  /** Removes the position of a key. */
  forget(key: string): Promise<void>;
}

/** Makes the writers of a sink. */
export function writerPlaces({ link, stream, owned, stop, givenOnce = false, ...options }: PlacesOptions): Places {
  const writers = new Map<string, Writer>();
  const confirmed = new Map<string, Cursor>();

  async function keysOf(key: string): Promise<OwnedKeys & { readonly plain: string | undefined }> {
    const names = await options.keys();
    const host = hostOfKey(key);
    return { cursor: names.cursor(host), writer: names.writer(writerOfHost(host)), plain: names.plainCursor(host) };
  }

  /** Becomes the writer of a key's host, once more if it is already. Answers the position that stands there. */
  async function acquire(key: string, signal?: AbortSignal): Promise<{ writer: Writer; stored: Cursor | undefined }> {
    const { plain, ...keys } = await keysOf(key);
    const { token, cursor } = await owned.acquire(keys, writers.get(keys.writer)?.token, signal);
    const first = plain !== undefined && !confirmed.has(key);
    const stored = cursor ?? (first ? await link.send(plain, ["GET", plain]) ?? undefined : undefined);
    const writer = { name: keys.writer, token, done: 0, pending: undefined };
    writers.set(keys.writer, writer);
    return { writer, stored };
  }

  /** What is stored is confirmed. What is not stored any more may have been. */
  function confirm(key: string, stored: Cursor | undefined): void {
    if (stored !== undefined) confirmed.set(key, stored);
  }

  async function of({ key, items }: BatchOfKey, signal: AbortSignal): Promise<Writer> {
    const known = writers.get((await keysOf(key)).writer);
    if (known && (known.pending === undefined || known.pending === items)) return known;
    // A write that nobody waits for any more must not be taken for this one: under another token it comes to nothing.
    const { writer, stored } = await acquire(key, signal);
    confirm(key, stored);
    return writer;
  }

  async function recover(key: string, certain: boolean, signal: AbortSignal): Promise<Writer> {
    const { writer, stored } = await acquire(key, signal);
    const last = confirmed.get(key);
    if (stored === last && !certain) return writer;
    if (stored === undefined) {
      if (last !== undefined) await lose(key, "redis_lost");
      return writer;
    }
    await lose(key, "redis_rewound", stored);
    confirm(key, stored);
    throw new RewoundError(
      `Cannot go on after ${last ?? "nothing"} at ${link.describe}: Redis has lost writes, the position is ${stored}`,
    );
  }

  /** Records that writes up to the last confirmed one are gone: those after `from`, or who knows which. */
  async function lose(key: string, reason: "redis_lost" | "redis_rewound", from?: Cursor): Promise<void> {
    const detail = `${stream} at ${link.describe}`;
    const hole = givenOnce ? holeBetween(undefined, undefined) : holeBetween(from, confirmed.get(key));
    const state = givenOnce || reason === "redis_lost" ? "open" : "healed"; // what is read again makes it whole
    const gap: Gap = { source: "redis", host: hostOfKey(key), ...hole, reason, detail, state };
    const words = { reason, detail, from: hole.from ?? "?", to: hole.to ?? "?" };
    log.warn("Redis has lost what it had confirmed: {reason}, {detail}, from {from} to {to}", words);
    await options.recordGaps?.(key, [gap]);
  }

  const load = (key: string) =>
    untilRead(async () => {
      const { stored } = await acquire(key, stop);
      if (stored === undefined && confirmed.has(key)) await lose(key, "redis_lost");
      confirm(key, stored);
      return confirmed.get(key);
    }, stop);

  const forget = async (key: string) => {
    await untilRead(async () => {
      const { cursor, plain } = await keysOf(key);
      await acquire(key, stop);
      for (const each of [cursor, plain]) if (each !== undefined) await link.send(each, ["DEL", each]);
    }, stop);
    confirmed.delete(key);
  };

  return { of, recover, load, forget, confirmed, cursorKey: async (key) => (await keysOf(key)).cursor };
}

/** Where a loss begins and ends, as far as positions tell: they are numbers, or say at which time they are. */
function holeBetween(from: Cursor | undefined, to: Cursor | undefined): Pick<Gap, "unit" | "from" | "to"> {
  const [first, last] = [from, to].map((cursor) => cursor === undefined ? undefined : numberOf(cursor));
  const unit = (first ?? last)?.unit ?? "seq";
  return { unit, from: first?.number, to: last?.number };
}

function numberOf(cursor: Cursor): { readonly unit: "seq" | "us"; readonly number: number } | undefined {
  try {
    const value = JSON.parse(cursor);
    if (Number.isSafeInteger(value)) return { unit: "seq", number: value };
    return Number.isSafeInteger(value?.time_us) ? { unit: "us", number: value.time_us } : undefined;
  } catch {
    return undefined;
  }
}

/** Tries until it works: a position that cannot be read is not "none". */
function untilRead<T>(work: () => Promise<T>, stop: AbortSignal | undefined): Promise<T> {
  const attempt = () =>
    work().catch((error) => {
      throw replyCode(error) === "WRONGTYPE" ? new ConfigError(messageOf(error), { cause: error }) : error;
    });
  return patiently(
    attempt,
    stop,
    (error) => log.warn("Cannot read the position yet, trying again: {error}", { error }),
  );
}
