import assert from "node:assert/strict";
import { createMetrics } from "../../lib/ops/metrics/registry.ts";
import { ROOT } from "../support/paths.ts";

const FOLDER = `${ROOT}/scripts/grafana`;

/** Every metric that an instance has, histograms by what is drawn of them. */
async function known(): Promise<Set<string>> {
  const { text } = await createMetrics({ runs: [], legacy: false }).text();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) =>
    name + (type === "histogram" ? "_bucket" : "")
  );
  return new Set(names);
}

/** The metrics in PromQL expressions. */
function namesIn(expressions: readonly string[]): Set<string> {
  return new Set(expressions.flatMap((text) => text.match(/\b(?:bskyingest|process)_\w+/g) ?? []));
}

Deno.test("the Grafana dashboard draws metrics that there are", async () => {
  interface Panel {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }
  const { panels }: { panels: readonly Panel[] } = JSON.parse(await Deno.readTextFile(`${FOLDER}/dashboard.json`));
  const used = namesIn(panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)));
  assert(used.size > 15);
  assert.deepEqual([...used.difference(await known())], []);
  for (const { title, gridPos: { x, w } } of panels) assert(x + w <= 24, title);
});

Deno.test("the alert rules ask for metrics that there are, and cover lag, stall, dead letters and gaps", async () => {
  const text = await Deno.readTextFile(`${FOLDER}/alerts.yaml`);
  const used = namesIn([...text.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = ""]) => expression));
  assert.deepEqual([...used.difference(await known())], []);
  const alerts = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  for (const name of ["Lag", "Stalled", "DeadLetters", "Gap"]) assert(alerts.includes(`Bskyingest${name}`), name);
});
