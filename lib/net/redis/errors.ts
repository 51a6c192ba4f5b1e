/**
 * What a failure of Redis leads to.
 *
 * @module
 */
import { ErrorReply } from "redis";
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { isCertificateFault } from "../certificate.ts";

/** Replies that nobody but the user can change. */
const CONFIG_CODES = new Set(["NOAUTH", "WRONGPASS", "NOPERM", "CROSSSLOT"]);

/** What the system's codes, and some of the client's own words, mean to people. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ENOTFOUND: "there is no such host",
  ECONNRESET: "the connection broke",
  "Connection timeout": "no connection came about in time",
  "The client is closed": "it closed the connection",
  "Socket closed unexpectedly": "it closed the connection",
};

/** The least time to leave a server alone that has no memory left, in milliseconds. */
const OOM_WAIT_MS = 1000;

/**
 * A `ConfigError` where the user must act, else a `TransientError`, for a server that refuses or is away now may do neither later.
 *
 * @param where The server, for people.
 */
export function redisError(error: unknown, where: string): ConfigError | TransientError {
  if (error instanceof ConfigError) return error;
  const { code = "" } = error as { code?: string };
  const text = `Cannot use Redis at ${where}: ${WORDS[code] ?? WORDS[messageOf(error)] ?? messageOf(error)}`;
  if (error instanceof ErrorReply) {
    const code = firstWord(error.message);
    if (CONFIG_CODES.has(code) || isRefusal(error.message)) return new ConfigError(text, { cause: error });
    return new TransientError(text, { cause: error, retryAfterMs: code === "OOM" ? OOM_WAIT_MS : undefined });
  }
  return isCertificateFault(error)
    ? new ConfigError(text, { cause: error, hint: "Name the authority that signed it with --redis-ca-cert" })
    : new TransientError(text, { cause: error });
}

/** The code that the server's reply began with (`OOM`, `WRONGTYPE`, ...) where an error of {@link redisError} has one. */
export function replyCode(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof ErrorReply ? firstWord(cause.message) : undefined;
}

function firstWord(text: string): string {
  return /^-?(\S*)/.exec(text)![1]!;
}

/** Refusals that have no code of their own. */
function isRefusal(message: string): boolean {
  return /^ERR (invalid password|AUTH |Client sent AUTH|DB index is out of range|SELECT is not allowed)/.test(message);
}
