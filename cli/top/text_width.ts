/**
 * Texts in the cells of a terminal.
 *
 * @module
 */
import { visible } from "../../lib/ops/dashboard/text.ts";

/** Characters that take two cells. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;
/** Characters that take none: they change the one before. */
const NONE = /\p{M}/u;

/** How many cells a text takes. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOfOne(character);
  return cells;
}

function cellsOfOne(character: string): number {
  return WIDE.test(character) ? 2 : NONE.test(character) ? 0 : 1;
}

/** A text from outside in at most so many cells; what was cut off is a `…`. */
export function fit(text: string, cells: number): string {
  const shown = visible(text);
  if (cellsOf(shown) <= cells) return shown;
  let kept = "", used = 0;
  for (const character of shown) {
    used += cellsOfOne(character);
    if (used > cells - 1) break;
    kept += character;
  }
  return cells < 1 ? "" : `${kept}…`;
}

/** The same, filled up with spaces. */
export function cell(text: string, cells: number, side: "left" | "right" = "left"): string {
  const shown = fit(text, cells);
  const space = " ".repeat(Math.max(0, cells - cellsOf(shown)));
  return side === "left" ? shown + space : space + shown;
}
