import { deepEqual, equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { bulkBodies, halves, type Line } from "./body.ts";

function line(id: string, body?: string): Line {
  const write = { kind: "likes", action: body === undefined ? "delete" : "index", id, uri: id, version: "7" } as const;
  return { write: body === undefined ? write : { ...write, body }, index: "likes", item: 0 };
}

Deno.test("bulkBodies: an action for each line, and the document under it as it is", () => {
  const big = { ...line("b").write, version: "1804111561854418944" };
  const [body, ...more] = bulkBodies([line('a"\n', '{"n":1}'), { ...line("b"), write: big, routing: "r" }], 1000);
  deepEqual(more, []);
  equal(
    body!.text,
    '{"index":{"_index":"likes","_id":"a\\"\\n","version":7,"version_type":"external_gte"}}\n{"n":1}\n' +
      '{"delete":{"_index":"likes","_id":"b","routing":"r","version":1804111561854418944,"version_type":"external_gte"}}\n',
  );
});

Deno.test("bulkBodies: whatever is cut where, nothing is lost and no body is larger than it must be", () => {
  const lines = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }).map((id) => line(id, JSON.stringify({ id }))));
  fc.assert(
    fc.property(lines, fc.integer({ min: 1, max: 600 }), (lines, maxBytes) => {
      const bodies = bulkBodies(lines, maxBytes);
      deepEqual(bodies.flatMap((body) => body.lines), lines);
      equal(bodies.map((body) => body.text).join(""), bulkBodies(lines, 1e9)[0]?.text ?? "");
      for (const body of bodies) {
        ok(body.lines.length === 1 || Buffer.byteLength(body.text) <= maxBytes);
        equal(body.text, bulkBodies(body.lines, 1e9)[0]!.text);
      }
    }),
    { seed: SEED },
  );
});

Deno.test("halves: of an odd number the first one is larger", () => {
  const [a, b, c] = [line("a"), line("b"), line("c")];
  deepEqual(halves([a, b, c]), [[a, b], [c]]);
  deepEqual(halves([a, b]), [[a], [b]]);
});
