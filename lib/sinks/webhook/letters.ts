/**
 * Dead letters of events that cannot be delivered.
 *
 * @module
 */
import type { Letter } from "../../pipeline/deliver.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { type Content, type Fate, textsOf } from "./requests.ts";
import { webhookId } from "./sign.ts";

/** Why. */
export interface Cause {
  /** A short code. */
  readonly reason: string;
  /** One sentence. */
  readonly error: string;
  /** Of the last answer; undefined: there was none. */
  readonly status: number | undefined;
  /** The beginning of its body. */
  readonly response: string;
  /** Without query. */
  readonly endpoint: string;
}

/** One letter for each event of a request. */
export function lettersOf(content: Content, fate: Fate, cause: Cause): Letter[] {
  const texts = textsOf(content);
  const { reason, error, status, response, endpoint } = cause;
  return content.keys.map((key, i) => {
    const id = webhookId([key]);
    return {
      stage: "webhook",
      error: new PoisonError(reason, error),
      detail: {
        event_id: id.slice("msg_".length),
        event: texts[i],
        webhook_id: id,
        ...(status !== undefined && { status, response }),
        attempts: fate.attempts,
        first_attempt_at: new Date(fate.firstAttemptAt!).toISOString(),
        endpoint,
      },
    };
  });
}
