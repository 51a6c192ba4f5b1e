/**
 * The positions that are kept beside a stream, to be looked at and changed.
 *
 * @module
 */
import { redisLink, type RedisLinkOptions } from "../../net/redis/link.ts";
import { hostOfKey, partitionsKey, streamKeys, writerOfHost } from "../../net/redis/stream_keys.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import { owners } from "./owner.ts";

/** Where they are. */
export interface RedisPositionsOptions {
  /** The server. */
  readonly connection: RedisLinkOptions;
  readonly stream: string;
  /** Where lock files are kept. */
  readonly lockFolder?: string | undefined;
  /** How long the writer key lasts that nobody renews, in milliseconds; default 15,000. */
  readonly ownerTtlMs?: number;
}

/** One of them. */
export interface RedisPosition {
  /** The source's key, or the host in it. */
  readonly key: string;
  readonly cursor: Cursor;
}

/** All positions of a stream. */
export interface RedisPositions extends AsyncDisposable {
  /** Server and stream, for people. */
  readonly describe: string;
  /** By key. */
  list(): Promise<RedisPosition[]>;
  /**
   * Becomes the writer, so that no run uses the position meanwhile; waits for one that is gone, until its writer key expires.
   *
   * @throws {LockHeldError} Where a run is.
   */
  hold(key: string): Promise<void>;
  save(key: string, cursor: Cursor): Promise<void>;
  clear(keys: readonly string[]): Promise<void>;
}

/**
 * Opens them; nothing is sent yet.
 *
 * @throws {ConfigError} For a URL that is none.
 */
export function redisPositions(options: RedisPositionsOptions): RedisPositions {
  const { connection, stream, lockFolder, ownerTtlMs = 15_000 } = options;
  const link = redisLink(connection);
  const owned = owners({ link, ttlMs: ownerTtlMs, lockFolder });
  let known: Promise<ReturnType<typeof streamKeys>> | undefined;
  const names = () => known ??= findKeys();

  async function findKeys() {
    const partitions = await link.send(stream, ["GET", partitionsKey(stream)]);
    return streamKeys(stream, {
      partitions: partitions === null ? undefined : Number(partitions),
      cluster: await link.isCluster(),
    });
  }

  const cursorKey = async (key: string) => (await names()).cursor(hostOfKey(key));

  return {
    describe: `${link.describe} ${stream}`,
    async list() {
      const prefix = await cursorKey("");
      const found: RedisPosition[] = [];
      const args = ["MATCH", `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`, "COUNT", "1000"];
      let place = "0";
      do {
        const [next, keys]: [string, string[]] = await link.send(prefix, ["SCAN", place, ...args]);
        for (const key of keys) {
          const cursor: string | null = await link.send(key, ["GET", key]);
          if (cursor !== null) found.push({ key: key.slice(prefix.length), cursor });
        }
        place = next;
      } while (place !== "0");
      // A key may be found twice.
      return [...new Map(found.map((each) => [each.key, each])).values()].sort((a, b) => a.key < b.key ? -1 : 1);
    },
    async hold(key) {
      const host = hostOfKey(key);
      const { cursor, writer } = await names();
      await owned.acquire({ cursor: cursor(host), writer: writer(writerOfHost(host)) }, undefined);
    },
    async save(key, cursor) {
      const name = await cursorKey(key);
      await link.send(name, ["SET", name, cursor]);
    },
    async clear(keys) {
      for (const name of await Promise.all(keys.map(cursorKey))) await link.send(name, ["DEL", name]);
    },
    async [Symbol.asyncDispose]() {
      await owned[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
}
