/**
 * Arguments without a flag.
 *
 * @module
 */
import type { Target } from "./command.ts";
import { didYouMean } from "./suggest.ts";

/** What is wrong with the number of arguments or with one that must be one of some words. */
export function checkPositionals({ path, action }: Target, given: readonly string[]): string[] {
  const declared = action.positionals ?? [];
  const faults: string[] = [];
  const last = declared.at(-1);
  const extra = last?.repeatable ? undefined : given[declared.length];
  if (extra !== undefined) {
    faults.push(
      `Cannot use argument "${extra}": "${path.join(" ")}" takes ${declared.length === 0 ? "none" : "no more"}`,
    );
  }
  for (const [i, { name, required, choices, repeatable }] of declared.entries()) {
    const texts = repeatable ? given.slice(i) : given.slice(i, i + 1);
    const of = choices === undefined ? "" : `, one of ${choices.join(", ")}`;
    if (required && texts.length === 0) {
      faults.push(`Cannot run "${path.join(" ")}": the argument ${name} is missing${of}`);
    }
    for (const text of texts) {
      if (choices === undefined || choices.includes(text)) continue;
      faults.push(`Cannot use ${name} "${text}": it must be one of ${choices.join(", ")}${didYouMean(text, choices)}`);
    }
  }
  return faults;
}
