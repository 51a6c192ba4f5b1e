/**
 * What a metric is: a name, and how its values are read from a run when somebody asks for them.
 *
 * @module
 */
import type { RunWatch } from "../run_watch.ts";

/** Values of the labels, in their order, and the metric's own. */
export type Sample = readonly [labels: readonly string[], value: number];

/** A metric that is read from the runs. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
  /** What runs side by side have under the same labels: added up, or the largest one. @default {"sum"} */
  readonly together?: "sum" | "max";
  /** The values of one run; `now`: milliseconds since 1970. */
  read(run: RunWatch, now: number): Iterable<Sample>;
}

/** A metric without labels. */
export function single(
  type: MetricDefinition["type"],
  name: string,
  help: string,
  value: (run: RunWatch, now: number) => number | undefined,
): MetricDefinition {
  return {
    ...{ type, name, help, labels: [] },
    read(run, now) {
      const one = value(run, now);
      return one === undefined ? [] : [[[], one]];
    },
  };
}

/** A metric with labels. */
export function labelled(
  type: MetricDefinition["type"],
  name: string,
  labels: readonly string[],
  help: string,
  read: (run: RunWatch, now: number) => Iterable<Sample>,
): MetricDefinition {
  return { type, name, help, labels, read };
}
