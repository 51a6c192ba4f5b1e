/**
 * The table of faults for users, read back.
 *
 * @module
 */
import { ROOT } from "../support/paths.ts";

/** A row of the table. */
export interface DocumentedFault {
  /** The faults that it is about. */
  readonly names: readonly string[];
  /** What it says that a user sees. */
  readonly quotes: readonly RegExp[];
}

/** The rows of `docs/faults.md`. A quotation is in backquotes, and `...` in it stands for anything; options and paths are none. */
export function documentedFaults(): DocumentedFault[] {
  const lines = Deno.readTextFileSync(`${ROOT}/docs/faults.md`).split("\n");
  return lines.filter((line) => /^\| (?!fault |-)/.test(line)).map((line) => {
    const [names = "", , sees = ""] = line.slice(2).split(" | ");
    const quoted = [...sees.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
    const quotes = quoted.filter((text) => !/^(--|\/)/.test(text)).map(quoteOf);
    return { names: names.split("<br>"), quotes };
  });
}

function quoteOf(text: string): RegExp {
  return new RegExp(text.split("...").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(".*"));
}
