import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { SEED } from "../../../tests/support/pipeline_ends.ts";
import { bulkBodies, type BulkBody, halves, type Line, newRoom } from "./body.ts";

function line(id: string, body?: string): Line {
  const write = { kind: "likes", action: body === undefined ? "delete" : "index", id, uri: id, version: "7" } as const;
  return { write: body === undefined ? write : { ...write, body }, index: "likes", item: 0 };
}

Deno.test("bulkBodies: an action for each line, and the document under it as it is", () => {
  const big = { ...line("b").write, version: "1804111561854418944" };
  const [body, ...more] = bulkBodies([line('a"\n', '{"n":1}'), { ...line("b"), write: big, routing: "r" }], () => 1000);
  deepEqual(more, []);
  equal(
    body!.bytes.toString(),
    '{"index":{"_index":"likes","_id":"a\\"\\n","version":7,"version_type":"external_gte"}}\n{"n":1}\n' +
      '{"delete":{"_index":"likes","_id":"b","routing":"r","version":1804111561854418944,"version_type":"external_gte"}}\n',
  );
});

/** Bodies as their texts and lines, which must agree. */
function shown(bodies: Iterable<BulkBody>): [text: string, lines: readonly Line[]][] {
  return Array.from(bodies, ({ lines, bytes, ends }) => {
    const text = bytes.toString();
    const [again] = bulkBodies(lines, () => 1e9);
    equal(text, again!.bytes.toString());
    equal(ends.length, lines.length);
    equal(ends.at(-1), bytes.length);
    return [text, lines];
  });
}

const someLines = fc.array(
  fc.string({ unit: "grapheme", maxLength: 40 }).map((id) => line(id, JSON.stringify({ id, long: id.repeat(40) }))),
);

Deno.test("bulkBodies, halves: whatever is cut where, nothing is lost and no body is larger than it must be", () => {
  fc.assert(
    fc.property(someLines, fc.integer({ min: 1, max: 9000 }), (lines, maxBytes) => {
      const whole = [...bulkBodies(lines, () => 1e9)];
      const cuts = [bulkBodies(lines, () => maxBytes), whole.flatMap((body) => halves(body, maxBytes))].map(shown);
      for (const bodies of cuts) {
        deepEqual(bodies.flatMap(([, some]) => some), lines);
        equal(bodies.map(([text]) => text).join(""), whole[0]?.bytes.toString() ?? "");
        for (const [text, some] of bodies) ok(some.length === 1 || encoded(text) <= maxBytes);
      }
    }),
    { seed: SEED },
  );
});

Deno.test("halves: of an odd number the first one is larger", () => {
  const [body] = bulkBodies([line("a"), line("b"), line("c")], () => 1e9);
  const [first, second] = halves(body!, 1e9);
  deepEqual([first!, second!].map(({ lines }) => lines.map(({ write }) => write.id)), [["a", "b"], ["c"]]);
});

Deno.test("bulkBodies: the room is used again, a limit that was found meanwhile counts at once", () => {
  const lines = [..."abcdefgh"].map((id) => line(id));
  const room = newRoom();
  const { bytes } = room;
  const size = encoded(shown(bulkBodies(lines, () => 1e9))[0]![0]);
  let maxBytes = size / 2;
  const counts: number[] = [];
  for (const body of bulkBodies(lines, () => maxBytes, room)) {
    equal(body.bytes.buffer, bytes.buffer);
    counts.push(body.lines.length);
    maxBytes = size / 4;
  }
  deepEqual(counts, [4, 2, 2]);
  shown(bulkBodies([line("long", "x".repeat(100_000))], () => 1e9, room));
  ok(room.bytes.length > 100_000);
});

function encoded(text: string): number {
  return new TextEncoder().encode(text).length;
}
