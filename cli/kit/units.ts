/**
 * Durations and sizes as people write them.
 *
 * @module
 */

/** The unit of a duration. */
export type DurationUnit = "ms" | "s" | "m" | "h" | "d";

const MS: Readonly<Record<DurationUnit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The longest wait that options may ask for, 24 days: a timer longer than 2^31 ms would fire at once. */
export const MOST_TIMER_MS = 24 * 86_400_000;

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** `500ms`, `30s`, `5m`, `2h`, `30d` in milliseconds; a bare number is in `unit`. `undefined` if it is none of these. */
export function parseDuration(text: string, unit: DurationUnit = "s"): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (match === null) return undefined;
  const ms = Math.round(Number(match[1]) * MS[(match[2] ?? unit) as DurationUnit]);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** `64KiB`, `5MB` or a bare number of bytes, in bytes. `undefined` if it is none of these. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(text.trim());
  const factor = BYTES[match?.[2]?.toLowerCase() ?? "b"];
  if (match === null || factor === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A span of time for people, in the largest unit of which there are two or more: `1.5 s`, `45 min`, `36 h`, `324 days`. */
export function spanText(ms: number): string {
  if (ms < 2 * MS.m) return `${(ms / MS.s).toFixed(1)} s`;
  if (ms < 2 * MS.h) return `${Math.round(ms / MS.m)} min`;
  return ms < 2 * MS.d ? `${Math.round(ms / MS.h)} h` : `${Math.round(ms / MS.d)} days`;
}
