import assert from "node:assert/strict";
import { type AtEvent, eventId, type Origin, toJson } from "../atproto/event.ts";
import { parseV1, parseV2 } from "../sources/jetstream/parse.ts";
import { ROOT } from "../../tests/support/paths.ts";
import { generatedEvents } from "./generator.ts";

const WIRES = ["legacy", "v1", "v2"] as const;
const lines = (wire: typeof WIRES[number]) =>
  Deno.readTextFileSync(`${ROOT}/fixtures/jetstream_${wire}.jsonl`).trimEnd().split("\n");

for (const wire of WIRES) {
  Deno.test(`T3: the generator gives the bytes of fixtures/jetstream_${wire}.jsonl`, () => {
    const store = generatedEvents({ epoch: Date.UTC(2026, 0, 1) * 1000, rng: 1 });
    lines(wire).forEach((line, i) => assert.equal(store.read(i + 1, wire, undefined), line));
  });
}

Deno.test("J14: the three wires of one stream are the same events", () => {
  const origin = (wire: Origin["wire"]): Origin => ({ source: "jetstream", wire, host: "h" });
  const legacy = lines("legacy").map((line) => parseV1(line, origin("v1")) as AtEvent);
  const v1 = lines("v1").map((line) => parseV1(line, origin("v1")) as AtEvent);
  const v2 = lines("v2").map((line) => parseV2(line, origin("v2")) as AtEvent);
  assert.equal(new Set(v1.map(eventId)).size, 150);
  assert.deepEqual(legacy.map(eventId), v1.map(eventId));
  assert.deepEqual(v2.map(eventId), v1.map(eventId));
  assert.deepEqual(v2.map((event) => JSON.parse(toJson(event))), v1.map((event) => JSON.parse(toJson(event))));
});
