/**
 * Times that authors wrote, and times as documents have them.
 *
 * @module
 */

/** What {@link parseCreatedAt} found. */
export interface CreatedAt {
  /** A text that Elasticsearch takes for a date: the author's own characters where `flag` is undefined. */
  readonly text: string;
  /** The same in microseconds since 1970, cut; in milliseconds times 1000 where more would not be a safe integer. */
  readonly us: number;
  /** `repaired`: no date as it stood, but clear what was meant. `fallback`: the text said nothing. */
  readonly flag: "repaired" | "fallback" | undefined;
}

const EXACT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const LOOSE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d*))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?$/;

/**
 * Reads a `createdAt`.
 *
 * @param text What the record has there, of whatever type.
 * @param fallbackUs The time to take where that is hopeless, in microseconds since 1970.
 */
export function parseCreatedAt(text: unknown, fallbackUs: number): CreatedAt {
  if (typeof text === "string") {
    const us = EXACT.test(text) ? microsOfExact(text) : undefined;
    if (us !== undefined) return { text, us, flag: undefined };
    const loose = LOOSE.exec(text.trim());
    const repaired = loose ? microsOfLoose(loose) : undefined;
    if (repaired !== undefined && isInRange(repaired)) {
      return { text: timeText(repaired), us: repaired, flag: "repaired" };
    }
  }
  return { text: timeText(fallbackUs), us: fallbackUs, flag: "fallback" };
}

/** What a calendar and a clock show. */
interface Reading {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Microseconds of the second. */
  readonly micros: number;
  /** Minutes east of Greenwich; NaN for more than Elasticsearch takes. */
  readonly offset: number;
}

/** For what {@link EXACT} matches, where all but the fraction and the zone have their place: captures would cost twice as much. */
function microsOfExact(text: string): number | undefined {
  const zone = text.endsWith("Z") ? text.length - 1 : text.length - 6;
  const reading = {
    year: twoDigits(text, 0) * 100 + twoDigits(text, 2),
    month: twoDigits(text, 5),
    day: twoDigits(text, 8),
    hour: twoDigits(text, 11),
    minute: twoDigits(text, 14),
    second: twoDigits(text, 17),
    micros: microsOfFraction(text.slice(20, zone)),
    offset: text.endsWith("Z") ? 0 : offsetOf(text[zone], twoDigits(text, zone + 1), twoDigits(text, zone + 4)),
  };
  return reading.hour > 23 || reading.second > 59 ? undefined : microsOf(reading);
}

/** For what {@link LOOSE} matches. */
function microsOfLoose(match: RegExpExecArray): number | undefined {
  const number = (group: number) => Number(match[group] ?? 0);
  const hour = number(4), minute = number(5), second = number(6);
  const fraction = match[7] ?? "";
  if (second > 60 || hour > 24) return undefined;
  if (hour === 24 && (minute > 0 || second > 0 || /[1-9]/.test(fraction))) return undefined;
  const micros = microsOfFraction(fraction);
  const offset = offsetOf(match[8], number(9), number(10));
  return microsOf({ year: number(1), month: number(2), day: number(3), hour, minute, second, micros, offset });
}

function twoDigits(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528; // 11 times the code of `0`
}

/** The first six digits after the point. */
function microsOfFraction(digits: string): number {
  let micros = 0;
  for (let i = 0; i < 6; i++) micros = micros * 10 + (i < digits.length ? digits.charCodeAt(i) - 48 : 0);
  return micros;
}

const MAX_OFFSET_MINUTES = 18 * 60;

function offsetOf(sign: string | undefined, hours: number, minutes: number): number {
  const size = hours * 60 + minutes;
  if (minutes > 59 || size > MAX_OFFSET_MINUTES) return NaN;
  return sign === "-" ? -size : size;
}

/** The first and last milliseconds of the years 1 to 9999, which is what four digits and Elasticsearch have room for. */
const FIRST_MS = Date.parse("0001-01-01T00:00:00.000Z"), LAST_MS = Date.parse("9999-12-31T23:59:59.999Z");
/** The calendar repeats itself after 400 years. `Date.UTC` takes years below 100 for those after 1900. */
const CYCLE_YEARS = 400, CYCLE_MS = Date.UTC(2400, 0) - Date.UTC(2000, 0);

/** Microseconds since 1970; `undefined` where no calendar has the day, or no zone the offset. */
function microsOf({ year, month, day, hour, minute, second, micros, offset }: Reading): number | undefined {
  if (year === 0 || month < 1 || month > 12 || day < 1 || (day > 28 && day > daysOf(year, month))) return undefined;
  if (minute > 59 || Number.isNaN(offset)) return undefined;
  const rest = micros % 1000;
  const ms = Date.UTC(year + CYCLE_YEARS, month - 1, day, hour, minute - offset, second, (micros - rest) / 1000) -
    CYCLE_MS;
  const us = ms * 1000 + rest;
  return Number.isSafeInteger(us) ? us : ms * 1000;
}

/** Whether a time lies in the years 1 to 9999 of UTC, too: midnight's repair or an offset may lead out of them. */
function isInRange(us: number): boolean {
  return us >= FIRST_MS * 1000 && us < (LAST_MS + 1) * 1000;
}

function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year + CYCLE_YEARS, month, 0)).getUTCDate();
}

/**
 * A time as `YYYY-MM-DDTHH:MM:SS.mmmZ`, cut to milliseconds.
 *
 * @param us Microseconds since 1970; what lies outside the years 1 to 9999 becomes their first or last millisecond.
 */
export function timeText(us: number): string {
  const rest = us % 1000;
  // Beyond the safe integers (before 1685, after 2255) only whole milliseconds are meant, and rounding finds them again.
  const whole = Number.isSafeInteger(us) ? (us - rest) / 1000 - (rest < 0 ? 1 : 0) : Math.round(us / 1000);
  return new Date(Math.min(Math.max(whole, FIRST_MS), LAST_MS)).toISOString();
}
