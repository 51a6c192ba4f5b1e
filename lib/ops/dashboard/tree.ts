/**
 * Elements as data: the server prints them as HTML, the browser brings its page into line with them.
 *
 * @module
 */
import { visible } from "./text.ts";

/** An element of a page. */
export interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Tree[];
}

/** An element or a text. */
export type Tree = Element | string;

/**
 * Makes an element. Texts in it are made {@linkcode visible}, neighbouring ones become one as they do in a browser, and what is
 * `undefined` or empty is left out.
 */
export function h(
  tag: string,
  attributes: Readonly<Record<string, string | undefined>>,
  ...contents: readonly (Tree | undefined)[]
): Element {
  const children: Tree[] = [];
  for (const content of contents) {
    const last = children.at(-1);
    if (content === undefined || content === "") continue;
    if (typeof content !== "string") children.push(content);
    else if (typeof last === "string") children[children.length - 1] = last + visible(content);
    else children.push(visible(content));
  }
  const given = Object.entries(attributes).flatMap(([name, value]) => {
    return value === undefined ? [] : [[name, visible(value)] as const];
  });
  return { tag, attributes: Object.fromEntries(given), children };
}

/** Elements that have no end tag. */
const VOID = new Set(["br", "link", "meta"]);

/** An element as HTML, without any white space of its own. */
export function toHtml(tree: Tree): string {
  if (typeof tree === "string") return escape(tree);
  const { tag, attributes, children } = tree;
  const given = Object.entries(attributes).map(([name, value]) => ` ${name}="${escape(value)}"`).join("");
  return `<${tag}${given}>${VOID.has(tag) ? "" : `${children.map(toHtml).join("")}</${tag}>`}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
