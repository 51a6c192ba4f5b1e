/**
 * The report of `doctor`.
 *
 * @module
 */
import type { CheckResult, Verdict } from "./check.ts";

const COLORS: Readonly<Record<Verdict, string>> = { ok: "32", warn: "33", fail: "31", skip: "2" };

/** One line for each check: verdict, name, what was found, and in brackets what to do. */
export function reportLines(results: readonly CheckResult[], color: boolean): string[] {
  const width = Math.max(...results.map(({ name }) => name.length));
  return results.map(({ name, verdict, detail, hint }) => {
    const word = verdict.padEnd(4);
    const shown = color ? `\x1b[${COLORS[verdict]}m${word}\x1b[0m` : word;
    return `${shown}  ${name.padEnd(width)}  ${detail}${hint === null ? "" : `  [${hint}]`}`;
  });
}
