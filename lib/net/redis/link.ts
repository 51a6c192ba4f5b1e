/**
 * A connection to Redis that is made when it is needed, and again after it broke. Nothing waits in a queue: a command on a broken
 * connection fails, and whoever sent it knows best when to try again.
 *
 * @module
 */
import { ErrorReply } from "redis";
import { TransientError } from "../../pipeline/errors.ts";
import { parseRedisUrl } from "./address.ts";
import { connect, type Connection, type ConnectOptions, type Reply } from "./connect.ts";
import { redisError, replyCode } from "./errors.ts";
import { inTime } from "./in_time.ts";
import type { LuaScript } from "./script.ts";

/** How to reach a server. */
export interface RedisLinkOptions extends Omit<ConnectOptions, "connectMs" | "answerMs" | "signal"> {
  /** See `parseRedisUrl`. */
  readonly url: string;
  /** Of a connection, in milliseconds; default 5,000. */
  readonly connectMs?: number;
  /** Of a command, in milliseconds; then the connection counts as broken. Default 10,000. */
  readonly commandMs?: number;
}

/** How a command is sent. */
export interface SendOptions {
  /** Aborting gives up waiting; the command may still be carried out. */
  readonly signal?: AbortSignal | undefined;
  /** How long the command itself may block, in milliseconds; default 0. */
  readonly blockMs?: number;
}

/** Sends commands, each to the server that has the key. What they throw is a `ConfigError` or a `TransientError`. */
export interface RedisLink extends AsyncDisposable {
  /** The server, for people. */
  readonly describe: string;
  /** Whether the server is one of a cluster's. */
  isCluster(): Promise<boolean>;
  /** Sends a command; replies are as in RESP 2. */
  send(key: string, args: readonly string[], options?: SendOptions): Promise<Reply>;
  /** Runs a script, whose first key decides where. */
  script(script: LuaScript, keys: readonly string[], args: readonly string[], options?: SendOptions): Promise<Reply>;
}

/**
 * Makes a link; nothing is sent yet.
 *
 * @throws {ConfigError} For a URL that is none.
 */
export function redisLink(options: RedisLinkOptions): RedisLink {
  const { connectMs = 5000, commandMs = 10_000 } = options;
  const address = parseRedisUrl(options.url);
  let connecting: Promise<Connection> | undefined;
  const closed = new AbortController();

  function connection(): Promise<Connection> {
    if (closed.signal.aborted) {
      throw new TransientError(`Cannot use Redis at ${address.describe}: the connection was closed`);
    }
    const settings = { ...options, connectMs, answerMs: commandMs, signal: closed.signal };
    return connecting ??= connect(address, settings).catch((error) => {
      connecting = undefined;
      throw error;
    });
  }

  /** The next command makes another connection. Cluster clients go as a whole: another one learns where the slots are now. */
  function drop(broken: Connection): void {
    connecting = undefined;
    broken.destroy();
  }

  async function send(key: string, args: readonly string[], { signal, blockMs = 0 }: SendOptions = {}): Promise<Reply> {
    let used: Connection | undefined;
    try {
      used = await inTime(connection(), Infinity, signal);
      return await inTime(used.send(key, args), commandMs + blockMs, signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      // A server that has become a replica will not take writes again: somebody else is the master now.
      const usable = error instanceof ErrorReply && !error.message.startsWith("READONLY");
      if (used && !usable) drop(used);
      throw redisError(error, address.describe);
    }
  }

  return {
    describe: address.describe,
    async isCluster() {
      try {
        return (await connection()).cluster;
      } catch (error) {
        throw redisError(error, address.describe);
      }
    },
    send,
    async script({ text, sha }, keys, args, sendOptions) {
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return await send(keys[0]!, ["EVALSHA", sha, ...rest], sendOptions);
      } catch (error) {
        if (replyCode(error) !== "NOSCRIPT") throw error;
        return await send(keys[0]!, ["EVAL", text, ...rest], sendOptions);
      }
    },
    async [Symbol.asyncDispose]() {
      closed.abort(new Error("The connection was closed"));
      (await connecting?.catch(() => undefined))?.destroy();
    },
  };
}
