/**
 * What the webhook sink counts, for the summary, the operations server and the metrics.
 *
 * @module
 */

/** Upper bounds of the histogram of durations, in seconds. */
export const DURATION_BOUNDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/** How long requests took until the head of their answer, or their failure. */
export interface Durations {
  /** One count for each of {@link DURATION_BOUNDS}: requests that took no longer than that. Not cumulative. */
  readonly counts: readonly number[];
  /** All requests, also those that took longer than any bound. */
  readonly count: number;
  /** In seconds. */
  readonly sum: number;
}

/** Live figures of the sink. */
export interface WebhookFigures {
  /** Events that a receiver has taken, in this process. */
  readonly delivered: number;
  /** Events that went to the dead letter, in this process. */
  readonly dead: number;
  /** Events in the queue. */
  readonly waiting: number;
  /** Where events go, without query, user and password. */
  readonly endpoint: string;
  /** `disabled`: no event is sent, but for one every five minutes where that may help. */
  readonly state: "active" | "disabled";
  /** Why it is disabled; undefined: it is not. */
  readonly reason: string | undefined;
  /** When it was disabled, RFC 3339. */
  readonly since: string | undefined;
  /** `open`: no request is made for a while; `half-open`: one is. */
  readonly breaker: "closed" | "half-open" | "open";
  /** Since when the breaker is not closed, in milliseconds since 1970; undefined: it is. */
  readonly breaker_since: number | undefined;
  /** The same as `waiting`. */
  readonly queue_events: number;
  /** Of the queue file and its write-ahead log. */
  readonly queue_bytes: number;
  /** How long the oldest event has waited; 0 where there is none. */
  readonly oldest_seconds: number;
  /** Accounts whose events wait because one of them is to be tried again. */
  readonly parked_accounts: number;
  /** Requests that are under way. */
  readonly in_flight: number;
  /** Why nothing is taken at the moment: the queue has its largest size, or too many accounts are parked. */
  readonly backpressure: "bytes" | "parked" | null;
  /** When an event was delivered last, in milliseconds since 1970. */
  readonly last_success_at: number | undefined;
  /** What was wrong last. */
  readonly last_error: string | undefined;
  /** Requests by status, or `timeout`, `connect`, `tls`, `dns`. */
  readonly requests: Readonly<Record<string, number>>;
  /** Of all requests. */
  readonly durations: Durations;
}

/** Counts requests. What it tells stays as it was when it was asked, so that figures of one moment agree. */
export interface RequestCounter {
  readonly requests: Readonly<Record<string, number>>;
  readonly durations: Durations;
  /** Takes note of one. */
  note(code: string, seconds: number): void;
}

/** Nothing is counted yet. */
export function requestCounter(): RequestCounter {
  const requests: Record<string, number> = {};
  const counts = DURATION_BOUNDS.map(() => 0);
  let count = 0, sum = 0;
  return {
    get requests() {
      return { ...requests };
    },
    get durations() {
      return { counts: [...counts], count, sum };
    },
    note(code, seconds) {
      requests[code] = (requests[code] ?? 0) + 1;
      count++;
      sum += seconds;
      const bucket = DURATION_BOUNDS.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) counts[bucket]!++;
    },
  };
}
