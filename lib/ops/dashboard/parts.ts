/**
 * What the panels of the page are built of. The browser runs these functions too (see `script.ts`).
 *
 * @module
 */
import { type Clock, dateAndTime, span } from "./text.ts";
import { type Element, h, type Tree } from "./tree.ts";

/** How much somebody should care: nothing to do, something to look at, something is wrong. */
export type Level = "ok" | "warn" | "bad";

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Set to the right, in digits of one width. */
  readonly number?: boolean;
  /** Long words from outside, which may be broken anywhere. */
  readonly long?: boolean;
}

/** A table of a panel. */
export interface TableInput {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** A cell each; the first one of a row names it. */
  readonly rows: readonly (readonly (Tree | undefined)[])[];
  /** Said where there are no rows. */
  readonly none: string;
}

/** A part of the page with a heading. `aside` stands beside it: a sum, a key. */
export function panel(id: string, title: string, aside: Tree | undefined, ...contents: readonly Tree[]): Element {
  return h(
    "section",
    { id, class: "panel", "aria-labelledby": `${id}-title` },
    h("div", { class: "head" }, h("h2", { id: `${id}-title` }, title), aside),
    ...contents,
  );
}

/** A table, or one line that says that there is nothing. */
export function table({ caption, columns, rows, none }: TableInput): Element {
  if (rows.length === 0) return h("p", { class: "none" }, none);
  const kind = (index: number) => columns[index]?.number ? "number" : columns[index]?.long ? "long" : undefined;
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      {},
      h("tr", {}, ...columns.map(({ title }, at) => h("th", { scope: "col", class: kind(at) }, title))),
    ),
    h(
      "tbody",
      {},
      ...rows.map((cells) =>
        h(
          "tr",
          {},
          ...cells.map((cell, at) =>
            at === 0 ? h("th", { scope: "row", class: kind(at) }, cell) : h("td", { class: kind(at) }, cell)
          ),
        )
      ),
    ),
  );
}

/** A cell of two lines: the second one in smaller letters, `undefined`: none. */
export function twoLines(first: Tree, ...second: readonly (Tree | undefined)[]): Element {
  const more = second.filter((each) => each !== undefined && each !== "");
  return h("div", {}, first, more.length === 0 ? undefined : h("small", {}, ...more));
}

/** A state in words, with a mark whose shape differs by level. */
export function mark(level: Level, text: string): Element {
  return h("span", { class: "mark", "data-level": level }, text);
}

/** A bar that fills a part (0 to 1) of its width; the figure stands beside it as text. */
export function bar(part: number, level: Level = "ok"): Element {
  const width = `${Math.round(Math.min(1, Math.max(0, part)) * 1000) / 10}%`;
  return h(
    "svg",
    { class: "bar", "aria-hidden": "true", "data-level": level },
    h("rect", { class: "track", width: "100%", height: "100%" }),
    h("rect", { class: "fill", width, height: "100%" }),
  );
}

/** The time of day, or month, day and minute where the day is another one; all of it in UTC as its tooltip. */
export function moment(at: string | number, { now, local }: Clock): Tree {
  const ms = new Date(at).getTime();
  const shown = dateAndTime(ms, local);
  const utc = dateAndTime(ms, false);
  if (shown === undefined || utc === undefined) return String(at);
  const [day, time] = shown;
  const today = dateAndTime(now, local)?.[0];
  return h(
    "time",
    { datetime: new Date(ms).toISOString(), title: `${utc.join(" ")} UTC` },
    day === today ? time : `${day.slice(5)} ${time.slice(0, 5)}`,
  );
}

/** How long ago that was: `12 min ago`. */
export function ago(at: string, { now }: Clock): string {
  return `${span(now - Date.parse(at))} ago`;
}
