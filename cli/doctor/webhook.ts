/**
 * Whether a webhook would be tried: its URL, its address, its certificate. Nothing is POSTed.
 *
 * @module
 */
import { checkTarget, headersFor, reach, shownUrl } from "../../lib/sinks/webhook.ts";
import { webhookTargetOf } from "../ingest/webhook.ts";
import type { Values } from "../kit/declaration.ts";
import type { webhookOptions } from "../options/webhook.ts";
import { type Finding, ok } from "./check.ts";

/** Connects, and hangs up. */
export async function checkWebhook(values: Values<typeof webhookOptions>, signal: AbortSignal): Promise<Finding> {
  const target = webhookTargetOf(values);
  headersFor(target);
  await checkTarget(target);
  const address = await reach(target, signal);
  return ok(`${shownUrl(target.url)} is at ${address}`);
}
