/**
 * The `Retry-After` header.
 *
 * @module
 */

/**
 * How long to wait, in milliseconds: of a number of seconds or an HTTP date (RFC 9110, section 10.2.3), `undefined` for anything
 * else.
 *
 * @param now The local clock, in milliseconds.
 */
export function retryAfterMs(header: string | null | undefined, now: number = Date.now()): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = /[A-Za-z]/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
