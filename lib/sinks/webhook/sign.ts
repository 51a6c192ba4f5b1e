/**
 * Ids and signatures of requests, as Standard Webhooks has them (https://github.com/standard-webhooks/standard-webhooks).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { ConfigError } from "../../pipeline/errors.ts";

const PREFIX = "whsec_";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const LEAST_BYTES = 24, MOST_BYTES = 64;

/**
 * The bytes of a secret.
 *
 * @throws {ConfigError} that does not show it.
 */
export function secretBytes(secret: string): Uint8Array {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : "";
  const bytes = BASE64.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES) return bytes;
  throw new ConfigError(
    `Cannot use webhook secret: it must be "${PREFIX}" and the base64 of ${LEAST_BYTES} to ${MOST_BYTES} bytes`,
  );
}

/**
 * The id of a request, the same whenever these events are sent together.
 *
 * @param keys The dedupe keys of its events, in order: of one event that makes its `eventId`.
 */
export function webhookId(keys: readonly string[]): string {
  return `msg_${createHash("sha256").update(keys.join("\n\n")).digest("hex").slice(0, 32)}`;
}

/** The value of `webhook-signature`: one signature a secret. `timestamp`: unix seconds. */
export function signature(
  secrets: readonly Uint8Array[],
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number; readonly body: Uint8Array },
): string {
  return secrets.map((secret) => {
    const hmac = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body);
    return `v1,${hmac.digest("base64")}`;
  }).join(" ");
}
