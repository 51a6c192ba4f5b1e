/**
 * The headers of requests.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { USER_AGENT } from "../../version.ts";
import type { WebhookTarget } from "./options.ts";
import { secretBytes, signature } from "./sign.ts";

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible characters, spaces and tabs; what is beyond ASCII is sent as Latin-1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const OURS = /^(?:host|content-.*|webhook-.*|transfer-encoding|connection|upgrade|expect|te|trailer)$/i;

/** Makes the headers of one attempt. `timestamp`: unix seconds. */
export type HeadersOf = (id: string, timestamp: number, body: Uint8Array) => Record<string, string>;

/**
 * Prepares what is the same for all requests.
 *
 * @throws {ConfigError} for a header or secret that cannot be; no value is shown.
 */
export function headersFor({ bearerToken, secrets = [], headers = [] }: WebhookTarget): HeadersOf {
  const keys = secrets.map(secretBytes);
  if (bearerToken !== undefined && !VALUE.test(bearerToken)) {
    throw new ConfigError("Cannot use webhook bearer token: it has characters that no header may have");
  }
  const fixed: Record<string, string> = {
    "Content-Type": "application/json",
    "User-Agent": USER_AGENT,
    ...(bearerToken !== undefined && { Authorization: `Bearer ${bearerToken}` }),
  };
  for (const [name, value] of headers.map(readHeader)) {
    const known = Object.keys(fixed).find((each) => each.toLowerCase() === name.toLowerCase());
    fixed[known ?? name] = value;
  }
  return (id, timestamp, body) => ({
    ...fixed,
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    ...(keys.length > 0 && { "webhook-signature": signature(keys, { id, timestamp, body }) }),
  });
}

/** Reads `Name: value`. */
function readHeader(text: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([^:]*):([^]*)$/.exec(text) ?? [];
  const trimmed = value.trim();
  if (!NAME.test(name)) throw new ConfigError('Cannot use webhook header: it must be "Name: value"');
  if (!VALUE.test(trimmed)) throw new ConfigError(`Cannot use webhook header "${name}": its value has a line break`);
  if (OURS.test(name)) throw new ConfigError(`Cannot use webhook header "${name}": it is set by bskyingest`);
  return [name, trimmed];
}
