/**
 * Times as microseconds since 1970, UTC.
 *
 * @module
 */

const MICROS = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d+))?Z$/;

/** Microseconds of an RFC 3339 time in UTC with any number of fraction digits; `undefined` where the text is none. */
export function microsOf(text: string): number | undefined {
  const match = MICROS.exec(text);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1]}Z`);
  return Number.isNaN(ms) ? undefined : ms * 1000 + Number((match[2] ?? "").slice(0, 6).padEnd(6, "0"));
}

/** RFC 3339 with six fraction digits, as Jetstream's v2 wire prints times. */
export function microsToText(us: number): string {
  const seconds = Math.floor(us / 1e6);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(us - seconds * 1e6).padStart(6, "0")}Z`;
}

/** Microseconds of what SQLite calls a TIMESTAMP: `YYYY-MM-DD HH:MM:SS`, UTC, some with a fraction. `undefined` for anything else. */
export function columnMicros(value: unknown): number | undefined {
  return typeof value === "string" ? parseTimestamp(`${value.replace(" ", "T")}Z`) : undefined;
}

const DAY = /^(\d{4}-\d{2}-\d{2})(?:-(\d{2}:\d{2}:\d{2}))?$/;
const ZONED = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * Microseconds of a time as users write it: `YYYY-MM-DD` or `YYYY-MM-DD-HH:MM:SS`, both UTC whatever the machine's zone is, or
 * RFC 3339 with a zone. `undefined` for anything else, a day that the month does not have included.
 */
export function parseTimestamp(text: string): number | undefined {
  const day = DAY.exec(text);
  const iso = day ? `${day[1]}T${day[2] ?? "00:00:00"}Z` : ZONED.test(text) ? text : undefined;
  if (iso === undefined) return undefined;
  const ms = Date.parse(iso);
  // Date.parse turns 2023-02-30 into March: the day must come back as it was written.
  const sameDay = new Date(Date.parse(`${iso.slice(0, 10)}T00:00:00Z`));
  if (Number.isNaN(ms) || Number.isNaN(sameDay.getTime())) return undefined;
  return sameDay.toISOString().slice(0, 10) === iso.slice(0, 10) ? ms * 1000 : undefined;
}
