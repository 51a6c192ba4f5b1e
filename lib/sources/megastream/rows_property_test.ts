import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { startNumber } from "../../../tests/support/random.ts";
import { dedupeKey, toJson } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { readRow } from "./rows.ts";
import { DELETE, DID, OPTIONS, postRow, rowOf, type RowParts, URI } from "./test_rows.ts";

const anything = fc.oneof(
  fc.jsonValue({ depthSize: "medium" }),
  fc.constantFrom<unknown>(undefined, "commit", "create", "delete", "deleted", URI, DID, { uri: URI }, false),
);
const cell = fc.oneof(
  anything.map((value) => JSON.stringify(value) ?? null),
  fc.constantFrom<unknown>(null, undefined, "", 5, 5n, NaN, new Uint8Array(3), URI, "\ud800"),
  fc.string(),
);
const members = (...names: string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, anything])), { requiredKeys: [] });
const part = (name: keyof RowParts, value: fc.Arbitrary<unknown>) => value.map((each) => ({ [name]: each }));
/** Not all of it at once: otherwise hardly any row would get as far as being an event. */
const parts: fc.Arbitrary<RowParts> = fc.array(
  fc.oneof(
    part("record", members("$type", "text", "reply", "embed", "createdAt", "__proto__")),
    part("commit", fc.oneof(members("operation", "collection", "rkey", "rev", "cid", "record"), fc.constant(DELETE))),
    part("message", members("did", "kind", "time_us", "commit", "account", "identity")),
    part("hydrated", anything),
    part("post", members("message", "inferences", "hydrated_metadata")),
    part(
      "row",
      fc.record({ at_uri: cell, did: cell, raw_post: cell, inferences: cell, created_at: cell }, { requiredKeys: [] }),
    ),
  ),
  { minLength: 1, maxLength: 3 },
).map((list) => Object.assign({}, ...list));

Deno.test("M39: a row of any content is an event, skipped or rejected, and each of these can be written", () => {
  const seen = new Set<string>();
  const property = fc.property(fc.oneof(parts.map(postRow), fc.tuple(cell).map(([text]) => rowOf(text))), (row) => {
    try {
      const result = readRow(row, OPTIONS);
      seen.add("skip" in result ? "skip" : result.what);
      if ("skip" in result) return;
      const { event } = result;
      ok(Number.isSafeInteger(event.time_us) && event.time_us > 0);
      ok(dedupeKey(event).includes(event.did));
      deepEqual(JSON.parse(toJson(event)).enriched.row, row.row);
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      seen.add("reject");
      equal(JSON.parse(JSON.stringify(error.detail)).row, row.row);
    }
  });
  fc.assert(property, { numRuns: 2000, seed: startNumber("rows") });
  for (const each of ["post", "delete", "skip", "reject"]) ok(seen.has(each), `no ${each}`);
});
