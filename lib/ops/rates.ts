/**
 * How fast events come and go, and how much of the time something was blocked.
 *
 * @module
 */
import type { RatePoint } from "./snapshot.ts";

/** Looks that a rate is made of, one a second. */
const WINDOW = 10;
/** Points of the chart: 15 minutes. */
const MOST_POINTS = 900;

/** Sums that grow, as they were at one moment. Times are milliseconds. */
export type Look<K extends string> = { readonly at: number } & Readonly<Record<K, number>>;

/** The last ten seconds of some sums. */
export class Window<K extends string> {
  #looks: Look<K>[] = [];

  /** Notes the sums as they are now. */
  add(look: Look<K>): void {
    this.#looks.push(look);
    if (this.#looks.length > WINDOW + 1) this.#looks.shift();
  }

  /** How much a sum grows in a second. */
  perSecond(name: K): number {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.max(0, (last[name] - first[name]) / (last.at - first.at) * 1000);
  }

  /** Of a sum of milliseconds: which share of the time it grew. */
  share(name: K): number {
    return Math.round(Math.min(1, this.perSecond(name) / 1000) * 1000) / 1000;
  }

  /** Everything is forgotten. */
  clear(): void {
    this.#looks = [];
  }
}

/** The last 15 minutes of received and written events, one point a second. */
export class Chart {
  #points: RatePoint[] = [];
  #before: Look<"received" | "written"> | undefined;

  /** Notes the sums as they are now. */
  add(look: Look<"received" | "written">): void {
    const before = this.#before;
    this.#before = look;
    if (before === undefined || look.at <= before.at) return;
    const perSecond = (name: "received" | "written") =>
      Math.max(0, Math.round((look[name] - before[name]) / (look.at - before.at) * 1000));
    const at = Math.round(look.at / 1000);
    if (at <= (this.#points.at(-1)?.[0] ?? 0)) return; // a clock that was put back would draw a line backwards
    this.#points.push([at, perSecond("received"), perSecond("written")]);
    if (this.#points.length > MOST_POINTS) this.#points.shift();
  }

  /** The points after a time (seconds since 1970), oldest first. */
  after(at: number): readonly RatePoint[] {
    const first = this.#points.findIndex((point) => point[0] > at);
    return first < 0 ? [] : this.#points.slice(first);
  }

  /** Everything is forgotten. */
  clear(): void {
    this.#points = [];
  }
}
