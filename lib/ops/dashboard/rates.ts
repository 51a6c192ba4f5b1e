/**
 * Events a second of the last 15 minutes: a drawing for who has no JavaScript, and a table of the same figures. The browser runs these
 * functions too (see `script.ts`).
 *
 * @module
 */
import type { RatePoint, Snapshot } from "../snapshot.ts";
import { panel, table } from "./parts.ts";
import { type Clock, dateAndTime, rate, short } from "./text.ts";
import { type Element, h } from "./tree.ts";

/** The chart with its key and its table. In `#chart` the browser draws itself. */
export function ratesPanel({ stats, rates }: Snapshot, clock: Clock): Element {
  const { received_per_s, written_per_s } = stats.details;
  return panel(
    "rates",
    "Events per second, last 15 minutes",
    h(
      "p",
      { class: "key" },
      h("span", { id: "readout", "data-own": "" }),
      h("span", { class: "received" }, "Received ", h("b", {}, rate(received_per_s))),
      h("span", { class: "written" }, "Written ", h("b", {}, rate(written_per_s))),
    ),
    h("div", { id: "chart", "data-own": "", "aria-hidden": "true" }, drawing(rates)),
    h("details", {}, h("summary", {}, "The same by minute"), minutesTable(rates, clock)),
  );
}

/** Two lines over 15 minutes, the newest figures at the right; the top is the highest figure. */
export function drawing(rates: readonly RatePoint[]): Element {
  const last = rates.at(-1)?.[0] ?? 0;
  const most = Math.max(1, ...rates.map(([, received, written]) => Math.max(received, written)));
  const points = (which: 1 | 2) =>
    rates.map((point) => `${900 - (last - point[0])},${(100 - point[which] / most * 98).toFixed(1)}`).join(" ");
  const line = (which: 1 | 2, name: string) =>
    h("polyline", { class: name, points: points(which), fill: "none", "vector-effect": "non-scaling-stroke" });
  return h(
    "div",
    { class: "drawing" },
    h("svg", { viewBox: "0 0 900 100", preserveAspectRatio: "none" }, line(1, "received"), line(2, "written")),
    h("span", {}, short(most)),
  );
}

/** The mean of each minute, newest first. */
export function minutesTable(rates: readonly RatePoint[], { local }: Clock): Element {
  const minutes = new Map<number, { seconds: number; received: number; written: number }>();
  for (const [at, received, written] of rates) {
    const minute = Math.floor(at / 60);
    const sum = minutes.get(minute) ?? { seconds: 0, received: 0, written: 0 };
    minutes.set(minute, {
      seconds: sum.seconds + 1,
      received: sum.received + received,
      written: sum.written + written,
    });
  }
  const rows = [...minutes].sort(([a], [b]) => b - a).map(([minute, { seconds, received, written }]) => [
    dateAndTime(minute * 60_000, local)?.[1].slice(0, 5),
    rate(received / seconds),
    rate(written / seconds),
  ]);
  const columns = [
    { title: local ? "Minute" : "Minute (UTC)" },
    { title: "Received/s", number: true },
    { title: "Written/s", number: true },
  ];
  return table({ caption: "Events per second, mean of each minute", columns, rows, none: "No figures yet" });
}
