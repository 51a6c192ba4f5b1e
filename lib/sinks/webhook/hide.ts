/**
 * Secrets do not come back in what a receiver says.
 *
 * @module
 */
import { hiding } from "../../net/text.ts";
import type { WebhookTarget } from "./options.ts";

/** Takes the token, the secrets, values of headers and of the URL's query out of a text. */
export function hider({ url, bearerToken = "", secrets = [], headers = [] }: WebhookTarget): (text: string) => string {
  return hiding([
    bearerToken,
    ...secrets,
    ...headers.map((header) => header.slice(header.indexOf(":") + 1).trim()),
    ...new URL(url).searchParams.values(),
  ]);
}
