/**
 * Secrets do not come back in what a receiver says.
 *
 * @module
 */
import type { WebhookTarget } from "./options.ts";

/** Shorter texts are no secrets, and would be found everywhere. */
const LEAST_LENGTH = 6;

/** Takes the token, the secrets, values of headers and of the URL's query out of a text. */
export function hider({ url, bearerToken = "", secrets = [], headers = [] }: WebhookTarget): (text: string) => string {
  const hidden = [
    bearerToken,
    ...secrets,
    ...headers.map((header) => header.slice(header.indexOf(":") + 1).trim()),
    ...new URL(url).searchParams.values(),
  ].filter(({ length }) => length >= LEAST_LENGTH);
  return (text) => hidden.reduce((shown, each) => shown.replaceAll(each, "***"), text);
}
