/**
 * Made-up figures of a running instance: busy, idle, and in every kind of trouble.
 *
 * @module
 */
import type { DeadLetterJson, ErrorJson, RatePoint, Snapshot, StageJson, WebhookJson } from "../../lib/ops/snapshot.ts";
import { randomFrom } from "./random.ts";

/** The time at which all of them are taken, in milliseconds since 1970. */
export const NOW = Date.parse("2026-11-21T19:04:31.000Z");

/** RFC 3339, so many seconds before {@linkcode NOW}. */
function before(seconds: number): string {
  return new Date(NOW - seconds * 1000).toISOString();
}

/** 15 minutes of figures, a point a second; `shape`: how many came in that second (0 = oldest), 1 = as usual. */
function ratesOf(usual: number, shape: (second: number) => number, written = shape, seconds = 900): RatePoint[] {
  const random = randomFrom(7);
  return Array.from({ length: seconds }, (_, second): RatePoint => {
    const wave = 1 + 0.06 * Math.sin(second / 70) + 0.03 * Math.sin(second / 17) + 0.05 * (random() - 0.5);
    const at = NOW / 1000 - seconds + 1 + second;
    return [
      at,
      Math.round(usual * shape(second) * wave),
      Math.round(usual * written(second) * (wave + 0.02 * (random() - 0.5))),
    ];
  });
}

const STAGES: readonly StageJson[] = [
  { name: "source", waiting: 12, limit: null, blocked: 0 },
  { name: "batch", waiting: 388, limit: 1000, blocked: 0 },
  { name: "in_flight", waiting: 1388, limit: 10_000, blocked: 0 },
  { name: "sink", waiting: 1, limit: 1, blocked: 0.04 },
  { name: "dead_letter", waiting: 0, limit: null, blocked: 0 },
];

const COLLECTIONS: Readonly<Record<string, number>> = {
  "app.bsky.feed.like": 86_410_233,
  "app.bsky.feed.post": 15_020_512,
  "app.bsky.feed.repost": 12_611_940,
  "app.bsky.graph.follow": 7_530_088,
  "app.bsky.graph.listitem": 1_201_377,
  "app.bsky.graph.block": 1_148_902,
  "app.bsky.actor.profile": 640_118,
  "app.bsky.feed.threadgate": 131_007,
  "app.bsky.feed.postgate": 66_031,
  "app.bsky.graph.list": 18_440,
  "chat.bsky.actor.declaration": 17_210,
  "app.bsky.feed.generator": 3_021,
  "social.pinksky.app.preference": 2_977,
  "fyi.unravel.frontpage.post": 1_204,
  "blue.2048.game": 988,
  "sh.tangled.repo": 310,
  "community.lexicon.calendar.event": 96,
  "work.doing.status": 14,
};

/** A live stream into SQLite, all well. */
export function busySnapshot(): Snapshot {
  const totalEvents = Object.values(COLLECTIONS).reduce((sum, events) => sum + events, 0);
  return {
    stats: {
      cursor: NOW * 1000 - 412_000,
      eventCounts: COLLECTIONS,
      totalEvents,
      totalReceived: totalEvents + 1_804_220,
      lastEventTime: before(0.2),
      details: {
        started_at: before(273_600),
        uptime_s: 273_600,
        source: "jetstream2.us-east.bsky.network",
        sink: "sqlite",
        received_per_s: 1204.3,
        written_per_s: 1198.8,
        filtered: 1_804_220,
        written: totalEvents,
        duplicates: 5120,
        rejected: 0,
        dead_lettered: 0,
        retried: 2,
        reconnects: 3,
        gaps: 0,
        lag_ms: 412,
        bytes_received: 71_204_118_233,
        in_flight: 1388,
        in_flight_limit: 10_000,
        stages: STAGES,
        errors: [{
          at: before(5400),
          level: "warning",
          category: "jetstream",
          message: "Connection to jetstream2.us-east.bsky.network was closed (1006), trying again in 0.4 s",
        }],
        open_gaps: [],
      },
    },
    status: {
      connected: true,
      readyState: 1,
      sources: [{
        name: "jetstream",
        host: "jetstream2.us-east.bsky.network",
        wire: "v2",
        connected: true,
        readyState: 1,
        since: before(5399),
        last_event_at: before(0.2),
        lag_ms: 410,
        reconnects: 3,
        last_error: null,
        paused: false,
      }],
      sink: { name: "sqlite", state: "ok", last_success_at: before(0.4), last_error: null },
      checkpoint: { saved_at: before(0.4), failures: 0 },
    },
    health: { status: "healthy", worker: "bskyingest", timestamp: before(0), reasons: [] },
    dead_letters: [],
    rates: ratesOf(
      1200,
      (second) => second > 520 && second < 535 ? 0 : second >= 535 && second < 560 ? 2.2 : 1,
      (second) => second > 521 && second < 536 ? 0 : second >= 536 && second < 570 ? 1.9 : 1,
    ),
  };
}

/** Just started, nothing has come. */
export function idleSnapshot(): Snapshot {
  const busy = busySnapshot();
  const idleStages = STAGES.map((stage) => ({ ...stage, waiting: 0, blocked: 0 }));
  return {
    ...busy,
    stats: {
      cursor: 0,
      eventCounts: {},
      totalEvents: 0,
      totalReceived: 0,
      lastEventTime: before(41),
      details: {
        ...busy.stats.details,
        ...{
          started_at: before(41),
          uptime_s: 41,
          sink: "ndjson",
          received_per_s: 0,
          written_per_s: 0,
          filtered: 0,
          written: 0,
        },
        ...{ duplicates: 0, retried: 0, reconnects: 0, lag_ms: null, bytes_received: 0, in_flight: 0, errors: [] },
        stages: idleStages,
      },
    },
    status: {
      ...busy.status,
      sources: [{ ...busy.status.sources[0]!, since: before(40), last_event_at: null, lag_ms: null, reconnects: 0 }],
      sink: { name: "ndjson", state: "ok", last_success_at: null, last_error: null },
      checkpoint: { saved_at: null, failures: 0 },
    },
    rates: ratesOf(0, () => 0, () => 0, 41),
  };
}

const BROKEN_WEBHOOK: WebhookJson = {
  endpoint: "https://hooks.example.com/bluesky/events",
  state: "active",
  reason: null,
  breaker: "open",
  queue_events: 412_907,
  queue_bytes: 238_114_816,
  oldest_seconds: 1910,
  parked_accounts: 184,
  in_flight: 0,
};

const ERRORS: readonly ErrorJson[] = [
  {
    at: before(12),
    level: "error",
    category: "jetstream",
    message: "Cannot connect to jetstream1.us-west.bsky.network: connect ECONNREFUSED 203.0.113.7:443",
  },
  {
    at: before(31),
    level: "warning",
    category: "webhook",
    message: "Breaker open for https://hooks.example.com/bluesky/events: status 503, next attempt in 212 s",
  },
  {
    at: before(1900),
    level: "error",
    category: "webhook",
    message: 'Cannot deliver msg_2957cf6d82e107254d330f62f19e1429: status 503, "upstream connect error"',
  },
  {
    at: before(40_000),
    level: "warning",
    category: "jetstream",
    message: "Cursor 1783175888085434 is older than what the server keeps: a gap of 37 min was opened",
  },
];

const DEAD: readonly DeadLetterJson[] = [
  {
    at: before(2210),
    stage: "webhook",
    reason: "status_422",
    error: "Endpoint refused the event: record.text must not be empty",
    did: "did:plc:2ubbsybcxazpn2eixxoh2yjj",
    collection: "app.bsky.feed.post",
  },
  {
    at: before(2390),
    stage: "webhook",
    reason: "exhausted",
    error: "Status 500 after 8 attempts",
    did: "did:plc:bwscyg3t2zdqvyqyc7ai4ljl",
    collection: "app.bsky.graph.follow",
  },
  {
    at: before(90_000),
    stage: "source",
    reason: "not_json",
    error: "Unexpected end of JSON input",
    did: null,
    collection: null,
  },
];

/** One of two hosts is away, the webhook's breaker is open, its queue is full, there are gaps and dead letters. */
export function brokenSnapshot(): Snapshot {
  const busy = busySnapshot();
  const [source] = busy.status.sources;
  return {
    ...busy,
    stats: {
      ...busy.stats,
      cursor: NOW * 1000 - 1_913_000_000,
      details: {
        ...busy.stats.details,
        ...{ source: "jetstream1.us-west.bsky.network, jetstream2.us-east.bsky.network", sink: "webhook" },
        ...{ received_per_s: 0, written_per_s: 0, rejected: 3, dead_lettered: 3, retried: 41, reconnects: 17, gaps: 2 },
        ...{ lag_ms: 1_913_000, in_flight: 10_000 },
        stages: [
          { name: "source", waiting: 0, limit: null, blocked: 0.98 },
          { name: "batch", waiting: 500, limit: 500, blocked: 1 },
          { name: "in_flight", waiting: 10_000, limit: 10_000, blocked: 1 },
          { name: "sink", waiting: 1, limit: 1, blocked: 1 },
          { name: "dead_letter", waiting: 0, limit: null, blocked: 0 },
        ],
        webhook: BROKEN_WEBHOOK,
        errors: ERRORS,
        open_gaps: [
          {
            ...{ id: 7, source: "jetstream", host: "jetstream1.us-west.bsky.network", unit: "us", reason: "clamped" },
            ...{
              from: (NOW - 42_220_000) * 1000,
              to: (NOW - 40_000_000) * 1000,
              detail: null,
              opened_at: before(40_000),
            },
          },
          {
            ...{
              id: 9,
              source: "jetstream",
              host: "jetstream2.us-east.bsky.network",
              unit: "us",
              reason: "consumer_too_slow",
            },
            ...{
              from: (NOW - 1_913_000) * 1000,
              to: null,
              detail: "ConsumerTooSlow: stream consumer too slow",
              opened_at: before(1700),
            },
          },
        ],
      },
    },
    status: {
      connected: false,
      readyState: 0,
      sources: [
        {
          ...source!,
          ...{
            host: "jetstream1.us-west.bsky.network",
            connected: false,
            readyState: 3,
            since: before(95),
            reconnects: 14,
          },
          ...{ last_event_at: before(96), lag_ms: 96_400, last_error: "connect ECONNREFUSED 203.0.113.7:443" },
        },
        { ...source!, since: before(1680), last_event_at: before(64), lag_ms: 64_100, paused: true },
      ],
      sink: {
        name: "webhook",
        state: "failing",
        last_success_at: before(1905),
        last_error: "the queue is full (1.0 GiB)",
      },
      checkpoint: { saved_at: before(1905), failures: 0 },
      webhook: BROKEN_WEBHOOK,
    },
    health: {
      status: "degraded",
      worker: "bskyingest",
      timestamp: before(0),
      reasons: [
        "Source jetstream1.us-west.bsky.network is not connected for 95 s",
        "Breaker of the webhook is open for 1,880 s",
        "Webhook queue is full: reading pauses",
      ],
    },
    dead_letters: DEAD,
    rates: ratesOf(
      1200,
      (second) => second < 500 ? 1 : second < 620 ? 0.45 : 0,
      (second) => second < 470 ? 1 : second < 620 ? 0.4 : 0,
    ),
  };
}
