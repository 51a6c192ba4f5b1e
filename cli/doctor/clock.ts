/**
 * The local clock beside those of the servers.
 *
 * @module
 */
import { fail, type Finding, ok, skip, warn } from "./check.ts";

/** Differences that deserve a warning, and that are too much, in milliseconds. */
const WARN_MS = 5000, FAIL_MS = 600_000;

/**
 * Compares with the `Date` of an HTTP answer of each server. The nearest one counts: a server that agrees shows that the local
 * clock is right.
 *
 * @param urls `http:` or `https:`.
 */
export async function checkClock(urls: readonly string[], signal: AbortSignal): Promise<Finding> {
  const answers = await Promise.all(urls.map((url) => differenceFrom(url, signal)));
  const differences = answers.filter((each) => each !== undefined).sort((a, b) => Math.abs(a) - Math.abs(b));
  const [ms] = differences;
  if (ms === undefined) return skip("no server told its time");
  const detail = `${amount(Math.abs(ms))} ${
    ms < 0 ? "behind" : "ahead of"
  } the nearest of ${differences.length} servers`;
  const hint = "Let NTP set the clock";
  if (Math.abs(ms) > FAIL_MS) return fail(detail, hint);
  return Math.abs(ms) > WARN_MS ? warn(detail, hint) : ok(ms === 0 ? "as the servers'" : detail);
}

/** Milliseconds that the local clock is ahead by; 0 within the accuracy of the header and the time that the answer took. */
async function differenceFrom(url: string, signal: AbortSignal): Promise<number | undefined> {
  const asked = Date.now();
  try {
    const response = await fetch(url, { signal, redirect: "manual" });
    const answered = Date.now();
    await response.body?.cancel();
    const date = Date.parse(response.headers.get("date") ?? "");
    if (Number.isNaN(date)) return undefined;
    if (asked > date + 999) return asked - (date + 999); // the header says whole seconds
    return Math.min(0, answered - date);
  } catch {
    return undefined; // why it cannot be reached is what the checks of the host say
  }
}

function amount(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
