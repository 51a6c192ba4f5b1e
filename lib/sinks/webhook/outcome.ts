/**
 * What an answer, or none, means for the events that were sent.
 *
 * @module
 */
import { retryAfterMs } from "../../net/retry_after.ts";

/** What came of one request. */
export type Answer =
  | {
    readonly status: number;
    readonly retryAfter: string | undefined;
    /** Where a redirect leads to. */
    readonly location: string | undefined;
    /** The beginning of the body, printable. */
    readonly text: string;
  }
  | Failure;

/** There was no answer. */
export interface Failure {
  /** `timeout`: the request was sent. The others: it was not, or the connection broke. */
  readonly failure: "timeout" | "connect" | "tls" | "dns";
  /** Why. */
  readonly text: string;
}

/** What is to be done. */
export interface Outcome {
  /**
   * `endpoint`: tried again for as long as it takes; `event`: tried again, and counted; `gone`, `refused`: the endpoint is disabled;
   * `rejected`: these events will never be taken.
   */
  readonly kind: "delivered" | "endpoint" | "event" | "gone" | "refused" | "rejected";
  /** The least wait before the next attempt, in milliseconds. */
  readonly waitMs: number;
  /** Whether nothing at all may be sent before that. */
  readonly waitForAll: boolean;
  /** For the metrics: the status, or the failure. */
  readonly code: string;
  /** One sentence. */
  readonly error: string;
  /** undefined: there was no answer. */
  readonly status: number | undefined;
  /** The beginning of the answer's body. */
  readonly response: string;
}

/** A server may ask for no longer wait, in milliseconds. */
export const LONGEST_ASKED_MS = 3_600_000;
const ENDPOINT: readonly number[] = [408, 425, 429, 502, 503, 504];
const FOR_ALL: readonly number[] = [429, 503];

/** Judges an answer. `now`: milliseconds since 1970. */
export function judge(answer: Answer, now: number): Outcome {
  if ("failure" in answer) {
    const { failure, text } = answer;
    const kind = failure === "timeout" ? "event" : "endpoint";
    return { kind, waitMs: 0, waitForAll: false, code: failure, error: text, status: undefined, response: "" };
  }
  const { status, text, retryAfter, location } = answer;
  const said = location !== undefined ? `, to ${location}` : text === "" ? "" : `: ${text}`;
  return {
    kind: kindOf(status),
    waitMs: Math.min(LONGEST_ASKED_MS, retryAfterMs(retryAfter, now) ?? 0),
    waitForAll: FOR_ALL.includes(status),
    code: String(status),
    error: `The receiver answered ${status}${said}`,
    status,
    response: text,
  };
}

function kindOf(status: number): Outcome["kind"] {
  if (status >= 200 && status < 300) return "delivered";
  if (status < 400 || ENDPOINT.includes(status)) return "endpoint";
  if (status >= 500) return "event";
  if (status === 410) return "gone";
  return status === 401 || status === 403 ? "refused" : "rejected";
}

/** When an event is tried again. */
export interface RetrySchedule {
  /** Waits after the first, the second, ... failure, in milliseconds; the last one repeats. */
  readonly waits: readonly number[];
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Waits are multiplied by something between these. */
export const LEAST_JITTER = 0.8, LONGEST_JITTER = 1.2;
/** What belongs to the endpoint and not to the event waits no longer than that, in milliseconds. */
const LONGEST_ENDPOINT_MS = 300_000;

/** The wait after the `failures`-th failure (from 1), in milliseconds. */
export function waitAfter(failures: number, { kind, waitMs }: Outcome, { waits, random }: RetrySchedule): number {
  const planned = waits[Math.min(failures, waits.length) - 1] ?? 0;
  const jittered = Math.round(planned * (LEAST_JITTER + (LONGEST_JITTER - LEAST_JITTER) * random()));
  return Math.max(waitMs, kind === "endpoint" ? Math.min(LONGEST_ENDPOINT_MS, jittered) : jittered);
}
