/**
 * What the options of `webhook` come to.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { WebhookSettings } from "../../lib/sinks/registry.ts";
import type { WebhookTarget } from "../../lib/sinks/webhook.ts";
import type { Values } from "../kit/declaration.ts";
import type { webhookOptions } from "../options/webhook.ts";

/** What the sink needs of the run besides its options. */
export type WebhookFacts = Pick<
  WebhookSettings,
  "file" | "deadLetter" | "onlyCommits" | "onlyQueue" | "finite" | "stop" | "kill" | "recordGaps"
>;

/** The options that the sink reads. */
type WebhookValues = Values<typeof webhookOptions> & {
  /** Default: any share. */
  readonly maxDeadRatio?: number;
};

/**
 * The options of the sink.
 *
 * @throws {ConfigError} If there is no URL.
 */
export function webhookOf(values: WebhookValues, facts: WebhookFacts): WebhookSettings {
  return {
    ...facts,
    ...webhookTargetOf(values),
    batch: values.webhookBatch,
    batchMs: values.webhookBatchTimeout,
    concurrency: values.webhookConcurrency,
    order: values.webhookOrder,
    timeoutMs: values.webhookTimeout,
    maxAttempts: values.webhookMaxAttempts,
    retrySchedule: values.webhookRetrySchedule!,
    maxBytes: values.webhookQueueMaxBytes,
    drainTimeoutMs: values.webhookDrainTimeout,
    enable: values.webhookEnable,
    ...(values.maxDeadRatio !== undefined && { maxDeadRatio: values.maxDeadRatio }),
  };
}

/**
 * Where events go.
 *
 * @throws {ConfigError} If there is no URL.
 */
export function webhookTargetOf(values: Values<typeof webhookOptions>): WebhookTarget {
  if (values.webhookUrl === undefined) {
    throw new ConfigError("Cannot deliver to a webhook: --webhook-url is not set", { hint: "Or set WEBHOOK_URL" });
  }
  return {
    url: values.webhookUrl,
    bearerToken: values.webhookBearerToken,
    secrets: values.webhookSecret?.split(",").map((secret) => secret.trim()) ?? [],
    headers: values.webhookHeader,
    allowPrivate: values.webhookAllowPrivate,
    allowHttp: values.webhookAllowHttp,
  };
}
