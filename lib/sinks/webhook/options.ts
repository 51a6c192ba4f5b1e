/**
 * What the webhook sink is told.
 *
 * @module
 */
import type { Address } from "../../net/guard.ts";
import type { Gap } from "../../pipeline/batch.ts";
import type { DeadLetter } from "../../pipeline/deliver.ts";

/** Where events go, and what is sent with them. */
export interface WebhookTarget {
  /** `https:`, or `http:`; without user and password. */
  readonly url: string;
  /** For `Authorization: Bearer`. Default: no such header. */
  readonly bearerToken?: string | undefined;
  /** `whsec_` and base64; requests are signed with each. Default: they are not signed. */
  readonly secrets?: readonly string[];
  /** Further headers, `Name: value`. */
  readonly headers?: readonly string[];
  /** Connections to private addresses. @default {false} */
  readonly allowPrivate?: boolean;
  /** Plain HTTP to public addresses. @default {false} */
  readonly allowHttp?: boolean;
  /** Certificates (PEM) to trust in place of the system's. */
  readonly ca?: string;
  /** All addresses of a name. Default: the system's resolver. */
  readonly lookup?: (hostname: string) => Promise<readonly Address[]>;
}

/** When and how requests are made. */
export interface DeliveryOptions extends WebhookTarget {
  /** Events of one request; from 2 on the body is an array. @default {1} */
  readonly batch?: number;
  /** Requests under way at most. @default {8} */
  readonly concurrency?: number;
  /** `account`: events of one DID are delivered in order, one at a time. @default {"account"} */
  readonly order?: "account" | "none";
  /** Until the head of the answer, in milliseconds. @default {15000} */
  readonly timeoutMs?: number;
  /** Counted failures of an event before it goes to the dead letter; 0 = any number. @default {8} */
  readonly maxAttempts?: number;
  /** Waits after the first, the second, ... failure, in milliseconds; the last one repeats. */
  readonly retrySchedule?: readonly number[];
  /** The share of dead events among the last 1,000 answered ones that ends the run; 1 = none. @default {1} */
  readonly maxDeadRatio?: number;
  /** How long {@link WebhookSink.drain} waits, in milliseconds; 0 = for ever. @default {0} */
  readonly drainTimeoutMs?: number;
  /** Lift a stored *disabled*. @default {false} */
  readonly enable?: boolean;
  /** The run has an end: it fails where the endpoint is disabled. @default {false} */
  readonly finite?: boolean;
  /** Makes events durable that can never be delivered. */
  readonly deadLetter: DeadLetter;
  /** Aborts: no further request is begun. */
  readonly stop?: AbortSignal;
  /** Aborts: those under way are given up as well. */
  readonly kill?: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1, for the jitter of waits. */
  readonly random?: () => number;
}

const SCHEDULE: readonly number[] = [5, 30, 120, 600, 1800, 7200, 21_600].map((seconds) => seconds * 1000);
/** What is meant where nothing is said. */
export const DELIVERY_DEFAULTS = {
  batch: 1,
  concurrency: 8,
  maxAttempts: 8,
  timeoutMs: 15_000,
  retrySchedule: SCHEDULE,
  maxDeadRatio: 1,
  drainTimeoutMs: 0,
  enable: false,
  finite: false,
  now: Date.now,
  /** For waits: it does not jump when the system's clock is set. */
  clock: () => performance.timeOrigin + performance.now(),
  random: Math.random,
};

/** Options of {@link webhookSink}. */
export interface WebhookSinkOptions extends DeliveryOptions {
  /** The queue file; made when it is missing, its folder must be there. */
  readonly file: string;
  /** At this size of what is in file and write-ahead log (bytes), writes wait; 0 = no limit. @default {0} */
  readonly maxBytes?: number;
  /** Only puts events into the queue, beside the process that delivers them. @default {false} */
  readonly onlyQueue?: boolean;
  /** How often to look for events that another process has put into the queue, in milliseconds. @default {5000} */
  readonly lookMs?: number;
  /** Makes gaps durable before the position passes them: a queue has no place for them. */
  readonly recordGaps?: ((key: string, gaps: readonly Gap[]) => Promise<unknown>) | undefined;
}
