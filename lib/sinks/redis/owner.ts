/**
 * One writer per stream and host: whoever holds the writer key, for as long as it renews it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import type { RedisLink } from "../../net/redis/link.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import { LockHeldError, messageOf } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import { openPrivateSync } from "../../state/files.ts";
import { acquireLock } from "../../state/lock.ts";
import { makeFolder } from "../../state/paths.ts";
import { ACQUIRE, RELEASE, RENEW } from "./scripts.ts";

const log = getLogger(["bskyingest", "redis"]);

/** How often to look whether another writer's key has expired, in milliseconds. */
const LOOK_MS = 250;

/** What an {@link owners} needs. */
export interface OwnersOptions {
  readonly link: RedisLink;
  /** How long a writer key lasts that nobody renews, in milliseconds. */
  readonly ttlMs: number;
  /** Where lock files are made, so that a restart need not wait for the key of its predecessor on the same machine. */
  readonly lockFolder: string | undefined;
}

/** The keys of one host. */
export interface OwnedKeys {
  readonly cursor: string;
  readonly writer: string;
}

/** The right to write. */
export interface Ownership {
  readonly token: string;
  /** The position that stood there when it began. */
  readonly cursor: Cursor | undefined;
}

/** Takes, keeps and gives back writer keys. */
export interface Owners extends AsyncDisposable {
  /**
   * Becomes the writer, in place of the one whose token is `previous`: this instance's own, from before. Waits for another writer's key to
   * expire, until `signal` aborts.
   *
   * @throws {LockHeldError} Where another process is and stays the writer.
   */
  acquire(keys: OwnedKeys, previous: string | undefined, signal?: AbortSignal): Promise<Ownership>;
  /** Whether a token is one that this instance asked for and had no answer about. */
  asked(writer: string, token: string): boolean;
}

interface Held {
  token: string;
  readonly lock: OwnerFile | undefined;
}

/** Makes what keeps writer keys; renewing begins with the first one. */
export function owners({ link, ttlMs, lockFolder }: OwnersOptions): Owners {
  const held = new Map<string, Held>();
  /** Tokens that may have been taken by a command whose reply was lost. */
  const asked = new Map<string, string>();
  let renewing: Promise<void> | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;

  async function renew(): Promise<void> {
    for (const [writer, { token }] of held) {
      try {
        await link.script(RENEW, [writer], [token, String(ttlMs)]);
      } catch (error) {
        log.debug("Cannot renew {writer}: {error}", { writer, error: messageOf(error) }); // the next write says what came of it
      }
    }
    renewing = undefined;
  }

  /** Asks for the key until it is ours, or is seen to be renewed. */
  async function take(
    keys: OwnedKeys,
    token: string,
    gone: readonly string[],
    signal?: AbortSignal,
  ): Promise<Ownership> {
    let expiry = Infinity;
    for (;;) {
      const [state, second, left] = await link.script(ACQUIRE, [keys.cursor, keys.writer], [
        token,
        String(ttlMs),
        ...gone,
      ], { signal });
      if (state === "OK") return { token, cursor: second ?? undefined };
      const renewed = Date.now() + left > expiry + LOOK_MS;
      if (renewed || left < 0) throw heldError(keys.writer, second);
      if (expiry === Infinity) {
        log.warn("Waiting for {writer}, which {who} holds", { writer: keys.writer, who: who(second) });
      }
      expiry = Math.min(expiry, Date.now() + left);
      await delay(Math.min(LOOK_MS, left + 1), signal);
    }
  }

  return {
    async acquire(keys, previous, signal) {
      const known = held.get(keys.writer);
      const lock = known ? known.lock : await ownerFile(lockFolder, `${link.describe} ${keys.writer}`);
      const token = asked.get(keys.writer) ?? newToken();
      asked.set(keys.writer, token);
      try {
        const gone = [token, previous, known?.token, lock?.last].filter((each) => each !== undefined);
        const ownership = await take(keys, token, gone, signal);
        asked.delete(keys.writer);
        lock?.write(token);
        held.set(keys.writer, { token, lock });
        timer ??= setInterval(() => renewing ??= renew(), ttlMs / 3);
        return ownership;
      } catch (error) {
        if (!known) await lock?.[Symbol.asyncDispose]();
        throw error;
      }
    },
    asked: (writer, token) => asked.get(writer) === token,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await renewing;
      for (const [writer, { token, lock }] of held) {
        // Where the server is away the key expires by itself.
        await link.script(RELEASE, [writer], [token], { signal: AbortSignal.timeout(2000) }).catch(() => {});
        await lock?.[Symbol.asyncDispose]();
      }
      held.clear();
    },
  };
}

/** Who holds a writer key, for the one who does not. */
export function heldError(writer: string, token: string): LockHeldError {
  return new LockHeldError(`Cannot hold ${writer}: ${who(token)} writes there`);
}

function who(token: string): string {
  const [host, pid] = token.split(":");
  return `pid ${pid} on ${host}`;
}

function newToken(): string {
  return `${hostname()}:${Deno.pid}:${crypto.randomUUID()}`;
}

/** The host's name is only shown, so that a run without that permission goes on. */
function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "unknown host";
  }
}

/** A locked file that remembers the token of its last holder: who holds the lock knows that one to be gone. */
interface OwnerFile extends AsyncDisposable {
  readonly last: string | undefined;
  write(token: string): void;
}

async function ownerFile(folder: string | undefined, name: string): Promise<OwnerFile | undefined> {
  if (folder === undefined) return undefined;
  await makeFolder(folder);
  const path = `${folder}/redis-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
  const lock = await acquireLock(`${path}.lock`, { command: `bskyingest (${name})` });
  return {
    last: readToken(`${path}.owner`),
    write(token) {
      using file = openPrivateSync(`${path}.owner`, { write: true, create: true, truncate: true });
      file.writeSync(new TextEncoder().encode(token));
    },
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
}

function readToken(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // nobody has held it
  }
}
