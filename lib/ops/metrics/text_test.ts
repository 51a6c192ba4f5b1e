import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePrometheus } from "../../../tests/support/prometheus.ts";
import { Histogram, histogramValues, metricsText } from "./text.ts";

Deno.test("metrics as the format has them: help, type, labels, numbers of every kind", () => {
  const values = [
    { labels: { host: 'a "b" \\ \n c', kind: "" }, value: 1.5 },
    { value: Infinity },
  ];
  assert.equal(
    metricsText([{ name: "m", type: "gauge", help: "One\nof \\ two", values }]),
    '# HELP m One\\nof \\\\ two\n# TYPE m gauge\nm{host="a \\"b\\" \\\\ \\n c",kind=""} 1.5\nm +Inf\n',
  );
  assert.match(
    metricsText([{ name: "m", type: "gauge", help: "", values: [{ value: NaN }, { value: -Infinity }] }]),
    /NaN\nm -Inf\n$/,
  );
});

Deno.test("a histogram counts what is at most its bound, and all", () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0.5, 1, 2, 10, 11]) histogram.observe(value);
  const text = metricsText([{ name: "h", type: "histogram", help: "H", values: histogramValues([1, 10], histogram) }]);
  const lines = ['h_bucket{le="1"} 2', 'h_bucket{le="10"} 4', 'h_bucket{le="+Inf"} 5', "h_sum 24.5", "h_count 5"];
  assert.deepEqual(text.trimEnd().split("\n").slice(2), lines);
});

Deno.test("whatever the label is, it is read back", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.double(), (label, value) => {
    const text = metricsText([{ name: "m", type: "counter", help: "H", values: [{ labels: { label }, value }] }]);
    const [sample] = parsePrometheus(text).get("m")!.samples;
    assert.equal(sample!.labels.label, label);
    assert.equal(sample!.value, value === 0 ? 0 : value);
  }));
});
