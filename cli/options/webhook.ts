/**
 * The options of the sink `webhook`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { make } from "../kit/declaration.ts";
import { choice, duration, integer, parsed, path, secret, size, toggle } from "../kit/option.ts";
import { MOST_TIMER_MS, parseDuration } from "../kit/units.ts";

const group = "Webhook";

/** Declarations of the options. */
export const webhookOptions = {
  webhookUrl: make<string | undefined>("webhook-url", {
    help: "Where events are POSTed to; without user and password",
    group,
    metavar: "URL",
    env: ["WEBHOOK_URL"],
    common: true,
  }, { kind: "url", secret: true, fromFile: true, fallback: undefined, decode: (text) => text }),
  webhookBearerToken: secret("webhook-bearer-token", {
    help: "Sent as Authorization: Bearer SECRET",
    group,
    env: ["WEBHOOK_BEARER_TOKEN"],
  }),
  webhookSecret: secret("webhook-secret", {
    help: "Signs requests (Standard Webhooks): whsec_ and base64; with commas, all of them sign",
    group,
  }),
  webhookHeader: make<readonly string[]>("webhook-header", {
    help: "Another header; again for more of them",
    group,
    metavar: "'NAME: VALUE'",
  }, { kind: "list", secret: true, fallback: [], decode: (text) => text.split(/,(?=[\w.-]+:)/) }),
  webhookBatch: integer("webhook-batch", {
    help: "1: the body is the event; 2 and more: an array of up to so many",
    group,
    min: 1,
    max: 1000,
  }, 1),
  webhookBatchTimeout: duration("webhook-batch-timeout", {
    help: "How long an array waits that is not full",
    group,
    max: MOST_TIMER_MS,
  }, "1s"),
  webhookConcurrency: integer("webhook-concurrency", {
    help: "Requests under way at most",
    group,
    min: 1,
    max: 256,
  }, 8),
  webhookOrder: choice(
    "webhook-order",
    { help: "Events of one account in order, or all as they come", group },
    ["account", "none"],
    "account",
  ),
  webhookTimeout: duration("webhook-timeout", {
    help: "Of one request, until the head of its answer",
    group,
    min: 1,
    max: MOST_TIMER_MS,
  }, "15s"),
  webhookMaxAttempts: integer("webhook-max-attempts", {
    help: "Failures of an event before it goes to the dead letter; 0 = any number",
    group,
  }, 8),
  webhookRetrySchedule: parsed(
    "webhook-retry-schedule",
    { help: "Waits after the first, the second, ... failure; the last one repeats", group, metavar: "LIST" },
    decodeSchedule,
    "5s,30s,2m,10m,30m,2h,6h",
  ),
  webhookQueue: path("webhook-queue", {
    help: "Queue file: what was read and is not delivered yet",
    group,
    defaultText: "webhook/KEY.db in the state folder",
  }),
  webhookQueueMaxBytes: size("webhook-queue-max-bytes", {
    help: "Size of the queue file at which reading pauses; 0 = no limit",
    group,
  }, "1GiB"),
  webhookAllowPrivate: toggle("webhook-allow-private", { help: "Connect to private addresses, too", group }),
  webhookAllowHttp: toggle("webhook-allow-http", { help: "Send without encryption to public addresses, too", group }),
  webhookDrainTimeout: duration("webhook-drain-timeout", {
    help: "How long a run that has come to its end goes on delivering; 0 = for ever",
    group,
    max: MOST_TIMER_MS,
  }, "10m"),
  webhookEnable: toggle("webhook-enable", {
    help: "Deliver again to a receiver that was disabled because it was gone, refused us, or took nothing",
    group,
  }),
} as const;

function decodeSchedule(text: string): readonly number[] {
  const waits = text.split(",").map((each) => parseDuration(each));
  if (waits.every((ms) => ms !== undefined && ms <= MOST_TIMER_MS)) return waits as number[];
  throw new ConfigError("it must be durations with commas between them, such as 5s,30s,2m");
}
