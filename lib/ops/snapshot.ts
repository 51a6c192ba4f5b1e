/**
 * What the operations server sends: the JSON of `/stats`, `/status` and `/stats/events`. Member names are those of the wire.
 *
 * @module
 */

/** The answer of `/stats`. Its first five members are those of the Worker that this program stands in for, in its order. */
export interface StatsJson {
  /** Microseconds since 1970 of the last safe position; 0: none. */
  readonly cursor: number;
  /** Commits by collection that passed the filters; at most 1,000 names, then `other`. */
  readonly eventCounts: Readonly<Record<string, number>>;
  /** The sum of `eventCounts`. */
  readonly totalEvents: number;
  /** Events of any kind that were received. */
  readonly totalReceived: number;
  /** RFC 3339: when the last commit was taken; before the first one, when the run began. */
  readonly lastEventTime: string;
  /** All that the Worker did not have. */
  readonly details: StatsDetails;
}

/** What is known of a run besides. Counts are those since the start or the last reset; unlike the five, they begin anew with a run. */
export interface StatsDetails {
  /** RFC 3339. */
  readonly started_at: string;
  /** Seconds since then. */
  readonly uptime_s: number;
  /** Hosts, files or streams that are read. */
  readonly source: string;
  /** The sink's name. */
  readonly sink: string;
  /** Of the last ten seconds. */
  readonly received_per_s: number;
  /** Of the last ten seconds. */
  readonly written_per_s: number;
  /** Dropped on purpose. */
  readonly filtered: number;
  /** Durable in the sink. */
  readonly written: number;
  /** Recognised as copies. */
  readonly duplicates: number;
  /** Refused by the sink for good. */
  readonly rejected: number;
  /** In the dead letter: refused and undecodable ones. */
  readonly dead_lettered: number;
  /** Writes that were repeated. */
  readonly retried: number;
  /** Connections after the first one of each host. */
  readonly reconnects: number;
  /** Holes in the stream that nobody asked for. */
  readonly gaps: number;
  /** How old the newest safe event is, in milliseconds; null: there is none, or what is read has no lag. */
  readonly lag_ms: number | null;
  /** As on the wire. */
  readonly bytes_received: number;
  /** Events handed to the sink and not yet safe. */
  readonly in_flight: number;
  /** At so many of them reading pauses. */
  readonly in_flight_limit: number;
  /** In the order in which events pass them. */
  readonly stages: readonly StageJson[];
  /** Only with the sink webhook. */
  readonly webhook?: WebhookJson;
  /** Warnings and errors of the log, newest first, at most 50. */
  readonly errors: readonly ErrorJson[];
  /** Oldest first; at most the 100 newest. */
  readonly open_gaps: readonly GapJson[];
}

/** One place where events can wait. */
export interface StageJson {
  /** `source`, `batch`, `in_flight`, `sink`, `dead_letter`. */
  readonly name: string;
  /** Events that wait there now; writes for `sink`. */
  readonly waiting: number;
  /** From how many on those before must wait; null: no such number. */
  readonly limit: number | null;
  /** Share of the last ten seconds in which it could take nothing more, 0 to 1. */
  readonly blocked: number;
}

/** The sink webhook. */
export interface WebhookJson {
  /** The URL, without query, user and password. */
  readonly endpoint: string;
  /** Whether events are sent at all. */
  readonly state: "active" | "disabled";
  /** Why it is disabled; null: it is not. */
  readonly reason: string | null;
  /** What the breaker lets through: everything, one request, nothing. */
  readonly breaker: "closed" | "half-open" | "open";
  /** Events in the queue. */
  readonly queue_events: number;
  /** Their size in the file. */
  readonly queue_bytes: number;
  /** The age of the oldest one; 0: the queue is empty. */
  readonly oldest_seconds: number;
  /** Accounts whose events wait for a retry. */
  readonly parked_accounts: number;
  /** Requests that are running. */
  readonly in_flight: number;
}

/** One line of the log that somebody should see. */
export interface ErrorJson {
  /** RFC 3339. */
  readonly at: string;
  /** How bad it is. */
  readonly level: "warning" | "error" | "fatal";
  /** Who says so: `jetstream`, `sqlite`, ... */
  readonly category: string;
  /** One sentence; it may quote text from outside. */
  readonly message: string;
}

/** One hole in an upstream's stream that is open. */
export interface GapJson {
  /** Its number, for `gaps accept`. */
  readonly id: number;
  /** Which source met it. */
  readonly source: string;
  /** Where. */
  readonly host: string;
  /** What `from` and `to` count: microseconds since 1970, sequence numbers, pages, files. */
  readonly unit: "us" | "seq" | "page" | "file";
  /** Where it begins; null: not known. */
  readonly from: number | null;
  /** Inclusive; null: not known yet. */
  readonly to: number | null;
  /** A short code: `clamped`, ... */
  readonly reason: string;
  /** A DID, a file name, the server's words. */
  readonly detail: string | null;
  /** RFC 3339. */
  readonly opened_at: string;
}

/** The answer of `/status`. */
export interface StatusJson {
  /** Whether all sources are. */
  readonly connected: boolean;
  /** As of a WebSocket, the lowest-standing source's; absent when there is no socket at all. */
  readonly readyState?: ReadyState;
  /** One entry for each host that is to be read now; files and streams of Redis have one as well. */
  readonly sources: readonly SourceJson[];
  /** What is written to. */
  readonly sink: SinkJson;
  /** Saves of the position. */
  readonly checkpoint: CheckpointJson;
  /** Only with the sink webhook. */
  readonly webhook?: WebhookJson;
}

/** 0 connecting, 1 open, 2 closing, 3 closed. */
export type ReadyState = 0 | 1 | 2 | 3;

/** One connection, or what is read in place of one. */
export interface SourceJson {
  /** The command: `jetstream`, `firehose`, ... */
  readonly name: string;
  /** The host; null: none was chosen yet, or there is none. */
  readonly host: string | null;
  /** `v1`, `v2`, ...; null: there is only one, or it is not known yet. */
  readonly wire: string | null;
  /** Whether events can come. */
  readonly connected: boolean;
  /** Absent without a socket. */
  readonly readyState?: ReadyState;
  /** RFC 3339: since when it is (or is not) connected; null: never yet. */
  readonly since: string | null;
  /** RFC 3339; null: never yet. */
  readonly last_event_at: string | null;
  /** How old the newest event was that it sent, in milliseconds; null: nothing came yet. */
  readonly lag_ms: number | null;
  /** Connections after the first one. */
  readonly reconnects: number;
  /** In one sentence; null: none. */
  readonly last_error: string | null;
  /** Whether reading waits for the sink. */
  readonly paused: boolean;
}

/** What is written to. */
export interface SinkJson {
  /** `sqlite`, `webhook`, ... */
  readonly name: string;
  /** `opening`: not there yet; `ok`; `failing`: the last write failed and is tried again; `draining`; `closed`. */
  readonly state: "opening" | "ok" | "failing" | "draining" | "closed";
  /** RFC 3339; null: never yet. */
  readonly last_success_at: string | null;
  /** In one sentence; null: none. */
  readonly last_error: string | null;
}

/** Saves of the position. */
export interface CheckpointJson {
  /** RFC 3339; null: never yet, or no position is kept. */
  readonly saved_at: string | null;
  /** Saves that failed, in a row. */
  readonly failures: number;
}

/** The answer of `/health`. */
export interface HealthJson {
  /** `degraded`: not ready, `unhealthy`: `/healthz` fails as well. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  /** The Worker's member. */
  readonly worker: "bskyingest";
  /** RFC 3339. */
  readonly timestamp: string;
  /** Those of `/readyz`, in sentences; empty when it is ready. */
  readonly reasons: readonly string[];
}

/** One of the newest dead letters. */
export interface DeadLetterJson {
  /** RFC 3339. */
  readonly at: string;
  /** `source`, `filter`, or the sink's name. */
  readonly stage: string;
  /** A short code. */
  readonly reason: string;
  /** One sentence; it may quote text from outside. */
  readonly error: string;
  /** Whose event; null: not known. */
  readonly did: string | null;
  /** Its collection; null: none, or not known. */
  readonly collection: string | null;
}

/** What came and was written in one second: its end in whole seconds since 1970, events received, events written. */
export type RatePoint = readonly [at: number, received: number, written: number];

/**
 * Everything that the dashboard shows: `/stats/html` is made of one, and `/stats/events` sends one a second (`event: snapshot`, `data`:
 * this as JSON).
 */
export interface Snapshot {
  /** As `/stats`. */
  readonly stats: StatsJson;
  /** As `/status`. */
  readonly status: StatusJson;
  /** As `/health`. */
  readonly health: HealthJson;
  /** Newest first, at most 20. */
  readonly dead_letters: readonly DeadLetterJson[];
  /**
   * Oldest first. For the page and in the first snapshot of each connection all of the last 15 minutes, at most 900; after that only
   * what is newer than the snapshot before.
   */
  readonly rates: readonly RatePoint[];
}
