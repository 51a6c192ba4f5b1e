/**
 * Events as the records of a queue: the members of the MET connector, in its order.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { plainJsonText } from "../../transforms/stream_events/json_text.ts";
import { memberText } from "./member_text.ts";

/** A record: one element of a row's payload. */
export interface QueueRecord {
  /** Whose repo or account it is about; of a label the labeler. */
  readonly did: string;
  /** Microseconds since 1970, in decimal digits. */
  readonly time_us: string;
  /** What happened. */
  readonly kind: AnyEvent["kind"];
  /** Only of commits. */
  readonly commit_data: Readonly<Record<string, unknown>> | null;
  /** Only of identities. */
  readonly identity_data: Readonly<Record<string, unknown>> | null;
  /** Only of accounts. */
  readonly account_data: Readonly<Record<string, unknown>> | null;
  /** Only of that kind. */
  readonly sync_data?: Readonly<Record<string, unknown>>;
  /** Only of that kind. */
  readonly label_data?: Readonly<Record<string, unknown>>;
  /** Only of that kind. */
  readonly repo_data?: Readonly<Record<string, unknown>>;
  /** Empty where the event is not about a record. */
  readonly collection: string;
  /** When it was received, UTC `YYYY-MM-DD-HH:MM:SS`. */
  readonly created_at: string;
}

/** The collection of a record, empty where it has none. */
export function collectionOf(event: AnyEvent): string {
  return event.kind === "commit" ? event.commit.collection : "";
}

/** The text of a record. `receivedAt`: as {@link queueTime} gives it. */
export function recordText(event: AnyEvent, receivedAt: string): string {
  const did = JSON.stringify(event.kind === "label" ? event.label.src : event.did);
  const head = `{"did":${did},"time_us":"${event.time_us}","kind":"${event.kind}","commit_data":`;
  const tail = `,"created_at":"${receivedAt}"}`;
  switch (event.kind) {
    case "commit": {
      const collection = JSON.stringify(event.commit.collection);
      return `${head}${dataOf(event)},"identity_data":null,"account_data":null,"collection":${collection}${tail}`;
    }
    case "identity":
      return `${head}null,"identity_data":${dataOf(event)},"account_data":null,"collection":""${tail}`;
    case "account":
      return `${head}null,"identity_data":null,"account_data":${dataOf(event)},"collection":""${tail}`;
    default: {
      const own = `"${event.kind}_data":${dataOf(event)}`;
      return `${head}null,"identity_data":null,"account_data":null,${own},"collection":""${tail}`;
    }
  }
}

/** The text of the event's object of its kind: as received where that can be told apart. */
function dataOf(event: AnyEvent): string {
  const received = "raw" in event && event.raw !== undefined ? memberText(event.raw, event.kind) : undefined;
  return received ?? plainJsonText((event as unknown as Record<string, unknown>)[event.kind]);
}

/** A time as the MET connector writes it: UTC `YYYY-MM-DD-HH:MM:SS`. */
export function queueTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", "-");
}

/** What is written as `created_at`, by us or by another program, in milliseconds since 1970; `undefined` for other texts. */
export function readQueueTime(text: unknown): number | undefined {
  const match = typeof text === "string" ? /^(\d{4}-\d\d-\d\d)[-T ](\d\d:\d\d:\d\d)/.exec(text) : null;
  const ms = match === null ? NaN : Date.parse(`${match[1]}T${match[2]}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
