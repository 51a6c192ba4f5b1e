/**
 * Metrics of the sink webhook.
 *
 * @module
 */
import type { WebhookFigures } from "../../sinks/webhook/figures.ts";
import { bounded } from "../bounded.ts";
import { labelled, type MetricDefinition, single } from "./definition.ts";
import { samples } from "./events.ts";

const BREAKER: Readonly<Record<WebhookFigures["breaker"], number>> = { "closed": 0, "half-open": 1, "open": 2 };

/** The metrics of this module. */
export const WEBHOOK_METRICS: readonly MetricDefinition[] = [
  labelled("counter", "webhook_requests_total", ["code"], "Requests by status or by what went wrong", (run) => {
    return samples(bounded(Object.entries(run.webhook?.requests ?? {})), (code) => [code]);
  }),
  of("webhook_queue_events", "Events that wait for delivery", ({ queue_events }) => queue_events),
  of("webhook_queue_bytes", "Their size", ({ queue_bytes }) => queue_bytes),
  of("webhook_queue_oldest_seconds", "The age of the oldest one", ({ oldest_seconds }) => oldest_seconds),
  of("webhook_parked_accounts", "Accounts whose events wait for a retry", ({ parked_accounts }) => parked_accounts),
  of("webhook_breaker_state", "0 closed, 1 half-open, 2 open", ({ breaker }) => BREAKER[breaker]),
  of("webhook_endpoint_disabled", "Whether no event is sent", ({ state }) => Number(state === "disabled")),
];

function of(name: string, help: string, value: (figures: WebhookFigures) => number): MetricDefinition {
  return single("gauge", name, help, ({ webhook }) => webhook && value(webhook));
}
