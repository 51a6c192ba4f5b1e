/**
 * Figures, times and texts from outside as people read them. The browser runs these functions too (see `script.ts`), so none of them
 * uses anything but its arguments and the others.
 *
 * @module
 */

/** Whose time is shown. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Time of the place where the program runs, else UTC. */
  readonly local: boolean;
}

/** A text in which nothing is hidden or turns round: control, format and lone surrogate characters are written as `\u....`. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    const hex = character.codePointAt(0)!.toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });
}

/** `1,204,331` */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A number a second: `1,204`, `3.5`. */
export function rate(value: number): string {
  return value > 0 && value < 10 ? String(Math.round(value * 10) / 10) : count(value);
}

/** `1.2k`, `14M`: for axes. */
export function short(value: number): string {
  const [unit, name] = value >= 1e9 ? [1e9, "G"] : value >= 1e6 ? [1e6, "M"] : value >= 1e3 ? [1e3, "k"] : [1, ""];
  return `${Math.round(value / unit * 10) / 10}${name}`;
}

/** `90.3%`; `0%` of nothing. */
export function percent(part: number, whole: number): string {
  return whole > 0 ? `${(part / whole * 100).toFixed(1)}%` : "0%";
}

/** The same of something that is there: never `0.0%`. */
export function share(part: number, whole: number): string {
  return part > 0 && part / whole < 0.0005 ? "<0.1%" : percent(part, whole);
}

/** `412 B`, `18.2 MB` */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return `${power === 0 ? Math.round(value) : (value / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** A span of time in the largest unit of which there are two or more: `0.4 s`, `45 s`, `12 min`, `36 h`, `9 days`. */
export function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** Date and time of day, `2026-11-21` and `19:04:31`; `undefined` for what is no time. */
export function dateAndTime(ms: number, local: boolean): readonly [date: string, time: string] | undefined {
  const date = new Date(local ? ms - new Date(ms).getTimezoneOffset() * 60_000 : ms);
  if (Number.isNaN(date.getTime())) return undefined;
  const [day = "", time = ""] = date.toISOString().split("T");
  return [day, time.slice(0, 8)];
}
