/**
 * What only the browser does: bring the page into line with a view, draw the chart, listen to the server. Nothing here is called by the
 * program itself (see `script.ts`).
 *
 * @module
 */
import type { RatePoint, Snapshot } from "../snapshot.ts";
import { dateAndTime, rate, short } from "./text.ts";
import type { Element, Tree } from "./tree.ts";
import { summary, view } from "./view.ts";

/** As much of a browser's element as is used; the rest of the project is checked without the types of browsers. */
interface Node {
  readonly nodeType: number;
  nodeValue: string | null;
  readonly childNodes: ArrayLike<Node>;
  readonly lastChild: Node;
  readonly localName: string;
  readonly attributes: Iterable<{ readonly name: string }>;
  readonly clientWidth: number;
  readonly clientHeight: number;
  textContent: string;
  hidden: boolean;
  readonly classList: { toggle(name: string, on: boolean): void };
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  append(...nodes: Node[]): void;
  insertBefore(node: Node, before: Node | null): void;
  replaceWith(node: Node): void;
  replaceChildren(): void;
  remove(): void;
}

/** As much of a window as is used. */
interface Page {
  readonly document: {
    readonly hidden: boolean;
    readonly body: Node;
    getElementById(id: string): Node | null;
    createElementNS(namespace: string, tag: string): Node;
    createTextNode(text: string): Node;
    addEventListener(name: string, listener: () => void): void;
  };
  readonly EventSource: new (url: string) => {
    readonly readyState: number;
    close(): void;
    addEventListener(name: string, listener: (event: { readonly data: string }) => void): void;
  };
  readonly ResizeObserver: new (listener: () => void) => { observe(node: Node): void };
  readonly uPlot: new (options: object, data: readonly (readonly number[])[], place: Node) => Plot;
  getComputedStyle(node: Node): { getPropertyValue(name: string): string };
  matchMedia(query: string): { addEventListener(name: "change", listener: () => void): void };
}

/** What uPlot makes (https://github.com/leeoniya/uPlot). */
interface Plot {
  readonly cursor: { readonly idx?: number | null };
  setData(data: readonly (readonly number[])[]): void;
  setSize(size: { readonly width: number; readonly height: number }): void;
  destroy(): void;
}

/** The chart of a page. */
interface Chart {
  show(rates: readonly RatePoint[]): void;
}

/** Makes a node out of a view. */
export function createNode(page: Page, tree: Tree): Node {
  if (typeof tree === "string") return page.document.createTextNode(tree);
  const drawn = ["svg", "rect", "polyline"].includes(tree.tag);
  const namespace = drawn ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const node = page.document.createElementNS(namespace, tree.tag);
  for (const [name, value] of Object.entries(tree.attributes)) node.setAttribute(name, value);
  node.append(...tree.children.map((child) => createNode(page, child)));
  return node;
}

/** The `id` of an element; undefined: a text, or an element without one. */
export function idOf(node: Node | undefined): string | undefined {
  return node?.nodeType === 1 ? node.getAttribute("id") ?? undefined : undefined;
}

/**
 * Changes an element into what a view says, and only where it differs, so that focus, selection and scroll positions stay. What is in an
 * element with `data-own` is left alone, and so is what the reader has opened. An element with an `id` stays what it is, whatever comes
 * or goes before it; others are told apart by their places.
 */
export function patch(page: Page, node: Node, tree: Element): void {
  for (const { name } of [...node.attributes]) {
    if (!Object.hasOwn(tree.attributes, name) && name !== "open") node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(tree.attributes)) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  if (Object.hasOwn(tree.attributes, "data-own")) return;
  const ids = tree.children.map((child) => typeof child === "string" ? undefined : child.attributes.id);
  for (const child of Array.from(node.childNodes)) {
    if (idOf(child) !== undefined && !ids.includes(idOf(child))) child.remove();
  }
  tree.children.forEach((child, at) => {
    const present = node.childNodes[at];
    if (idOf(present) !== ids[at]) {
      const known = Array.from(node.childNodes).find((each) => ids[at] !== undefined && idOf(each) === ids[at]);
      node.insertBefore(known ?? createNode(page, child), present ?? null);
    }
    patchChild(page, node, at, child);
  });
  while (node.childNodes.length > tree.children.length) node.lastChild.remove();
}

/** The same for one of its children, which may not be there yet or be another kind of node. */
export function patchChild(page: Page, parent: Node, at: number, tree: Tree): void {
  const present = parent.childNodes[at];
  if (present === undefined) {
    parent.append(createNode(page, tree));
  } else if (typeof tree === "string" && present.nodeType === 3) {
    if (present.nodeValue !== tree) present.nodeValue = tree;
  } else if (typeof tree !== "string" && present.localName === tree.tag) {
    patch(page, present, tree);
  } else {
    present.replaceWith(createNode(page, tree));
  }
}

/** Draws the rates into `#chart`, in the colours of the style sheet. */
export function createChart(page: Page): Chart {
  const place = page.document.getElementById("chart")!;
  const readout = page.document.getElementById("readout")!;
  let shown: readonly RatePoint[] = [];
  let plot: Plot | undefined;
  const data = () => ([0, 1, 2] as const).map((column) => shown.map((point) => point[column]));
  const size = () => ({ width: place.clientWidth, height: place.clientHeight });
  const hover = ({ cursor }: Plot) => {
    const point = cursor.idx === undefined || cursor.idx === null ? undefined : shown[cursor.idx];
    readout.textContent = point === undefined
      ? ""
      : `${dateAndTime(point[0] * 1000, true)?.[1]}: ${rate(point[1])} received, ${rate(point[2])} written`;
  };
  const draw = () => {
    plot?.destroy();
    place.replaceChildren();
    plot = new page.uPlot({ ...size(), ...chartOptions(page, place), hooks: { setCursor: [hover] } }, data(), place);
  };
  page.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new page.ResizeObserver(() => plot?.setSize(size())).observe(place);
  return {
    show(rates) {
      shown = rates;
      if (plot === undefined) draw();
      else plot.setData(data());
    },
  };
}

/** How the chart looks: a filled line for what came, a stronger one for what was written. */
export function chartOptions(page: Page, place: Node): object {
  const style = page.getComputedStyle(place);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const letter = parseFloat(style.getPropertyValue("font-size"));
  const time = (second: number) => dateAndTime(second * 1000, true)?.[1].slice(0, 5);
  const axis = {
    stroke: color("muted"),
    font: `${letter * 0.86}px system-ui, sans-serif`,
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    legend: { show: false },
    padding: [8, 4, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 } },
    scales: {
      x: { range: (_: unknown, __: number, newest: number) => [newest - 900, newest] },
      y: { range: (_: unknown, __: number, most: number) => [0, Math.max(10, most * 1.1)] },
    },
    axes: [
      {
        ...axis,
        size: letter * 2,
        space: letter * 4.6,
        incrs: [60, 120, 180, 300],
        values: (_: unknown, ticks: readonly number[]) => ticks.map(time),
      },
      { ...axis, size: letter * 3.2, space: 36, values: (_: unknown, ticks: readonly number[]) => ticks.map(short) },
    ],
    series: [
      {},
      { stroke: color("received"), width: 1, fill: color("received-fill"), points: { show: false } },
      { stroke: color("written"), width: 1.75, points: { show: false } },
    ],
  };
}

/** Listens to the server for as long as the page is there. */
export function start(page: Page): void {
  const { document } = page;
  const element = (id: string) => document.getElementById(id)!;
  const chart = createChart(page);
  let latest: Snapshot | undefined;
  let rates: readonly RatePoint[] = [];
  let heardAt = Date.now(), readAloudAt = 0, first = true;
  const draw = () => {
    if (latest === undefined || document.hidden) return;
    patch(page, element("view"), view({ ...latest, rates }, true));
    chart.show(rates);
    if (Date.now() - readAloudAt < 10_000) return;
    readAloudAt = Date.now();
    element("aloud").textContent = summary(latest);
  };
  const note = (text: string) => {
    if (element("note").textContent !== text) element("note").textContent = text;
    document.body.classList.toggle("stale", text !== "");
  };
  const listen = () => {
    const source = new page.EventSource("events");
    source.addEventListener("open", () => first = true);
    source.addEventListener("snapshot", ({ data }) => {
      latest = JSON.parse(data) as Snapshot;
      rates = [...first ? [] : rates, ...latest.rates].slice(-900);
      first = false;
      heardAt = Date.now();
      note("");
      draw();
    });
    source.addEventListener("error", () => {
      note("No connection to bskyingest: these figures are old. Trying again …");
      if (source.readyState === 2) setTimeout(listen, 5000); // The browser itself tries again, unless it was refused.
    });
  };
  setInterval(() => {
    if (Date.now() - heardAt > 10_000) note("bskyingest has not been heard of for 10 s: these figures are old.");
  }, 1000);
  document.addEventListener("visibilitychange", draw);
  listen();
}
