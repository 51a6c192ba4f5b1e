/**
 * Warnings about failures: one a minute of each kind is enough.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["bskyingest", "webhook"]);

const EVERY_MS = 60_000;
/** Where a redirect leads to is told once. */
const REDIRECT = /^3\d\d$/;

/**
 * Makes what warns. `code`: a status, or another word for the kind of failure.
 *
 * @param url As it may be shown.
 * @param clock In milliseconds.
 */
export function warner(url: string, clock: () => number): (code: string, text: string) => void {
  const said = new Map<string, number>();
  return (code, text) => {
    const before = said.get(code);
    if (before !== undefined && (REDIRECT.test(code) || clock() - before < EVERY_MS)) return;
    said.set(code, clock());
    log.warn("Webhook {url}: {text}", { url, text });
  };
}
