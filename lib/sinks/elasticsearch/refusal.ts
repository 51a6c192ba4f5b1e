/**
 * What a request outside of a bulk leads to when it is refused.
 *
 * @module
 */
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { classifyRequest, describeError, errorOf } from "./classify.ts";
import type { Answer } from "./connection.ts";

/**
 * The error for an answer that is not 200.
 *
 * @param what Action and object, `Cannot create index likes_v1`.
 * @param privilege The one that a key needs for it.
 */
export function refusal(what: string, answer: Answer, privilege?: string): ConfigError | TransientError {
  const { status, retryAfterMs } = answer;
  const reason = describeError(errorOf(answer.body), status);
  switch (classifyRequest(answer)) {
    case "retry":
    case "busy":
    case "pause":
      return new TransientError(`${what}: ${reason}`, { retryAfterMs });
    case "denied":
      return status === 401 ? wrongCredentials(what, reason) : new ConfigError(`${what}: ${reason}`, {
        ...(privilege !== undefined && { hint: `The key or user needs the privilege ${privilege}` }),
      });
    default:
      return new ConfigError(`${what}: ${reason}`);
  }
}

function wrongCredentials(what: string, reason: string): ConfigError {
  return new ConfigError(`${what}: the credentials are refused (${reason})`, {
    hint: "Set --elasticsearch-api-key, or --elasticsearch-user and --elasticsearch-password",
  });
}
