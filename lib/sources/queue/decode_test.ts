import assert from "node:assert/strict";
import { EVERY_KIND } from "../../../tests/contract/events.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { v1Event } from "../../../tests/support/sqlite.ts";
import { eventId, type Origin, toJson } from "../../atproto/event.ts";
import { rowMaker } from "../../sinks/queue/rows.ts";
import { readRow } from "./decode.ts";

const origin: Origin = { source: "consume", wire: "v1", host: "q" };
const rowsOf = rowMaker({ batchSize: 1000, run: "R" });

/** What is read of records, which are written as JSON. */
const read = (...records: unknown[]) => readRow({ id: 7, payload: JSON.stringify(records) }, origin);

Deno.test("an event of each kind comes back as it was put, but for its origin and its number", () => {
  for (const event of EVERY_KIND) {
    const { events, poison } = readRow({ id: 1, payload: rowsOf([event], 0)[0]!.payload }, origin);
    assert.deepEqual(poison, [], event.kind);
    const { seq: _, ...expected } = JSON.parse(toJson(event));
    delete expected.cursor;
    delete expected.enriched;
    assert.deepEqual(JSON.parse(toJson(events[0]!)), expected);
    assert.equal(eventId(events[0]!), eventId(event));
    assert.equal(events[0]!.origin, origin);
    assert.equal("raw" in events[0]!, false);
  }
});

realTest("C33: the real events have the same ids and texts", ["expected_v1.jsonl"], ([file]) => {
  const lines = Deno.readTextFileSync(file!).trimEnd().split("\n");
  const put = lines.map((line) => v1Event(line));
  const { events } = readRow({ id: 1, payload: rowsOf(put, 0)[0]!.payload }, origin);
  assert.deepEqual(events.map(toJson), lines.map((line) => JSON.stringify(JSON.parse(line))));
  assert.deepEqual(events.map(eventId), put.map(eventId));
});

Deno.test("what is no event is poison, as it was written, with its row", () => {
  const good = { did: "did:plc:a", time_us: "5", kind: "account", account_data: { did: "did:plc:a", active: true } };
  for (
    const [record, words] of [
      [null, /time_us/],
      ["text", /time_us/],
      [[good], /time_us/],
      [{ ...good, time_us: "5.5" }, /time_us/],
      [{ ...good, time_us: "99999999999999999999" }, /time_us/],
      [{ ...good, time_us: "0" }, /time_us/],
      [{ ...good, did: "" }, /no did/],
      [{ ...good, kind: "commit" }, /no body/],
      [{ ...good, kind: "other", other_data: {} }, /kind is not known/],
      [{ ...good, account_data: {} }, /active is not a boolean/],
      [{ ...good, kind: "commit", commit_data: { operation: "create", collection: "a.b.c", rkey: "k" } }, /record/],
    ] as const
  ) {
    const { events, poison } = read(good, record, { ...good, time_us: 6 });
    assert.deepEqual(events.map(({ time_us }) => time_us), [5, 6]);
    const [{ error, raw, detail }] = poison as [typeof poison[0]];
    assert.match(error.message, words, JSON.stringify(record));
    assert.deepEqual([poison.length, error.reason, raw], [1, "invalid", JSON.stringify(record)]);
    assert.deepEqual(detail, { host: "q", wire: "queue", row: 7 });
  }
});

Deno.test("a row that is no list is poison as a whole", () => {
  for (
    const [payload, reason] of [[null, "not_json"], ["", "not_json"], ["[{", "not_json"], [
      "{}",
      "unknown_shape",
    ]] as const
  ) {
    const { events, poison } = readRow({ id: 1, payload }, origin);
    assert.deepEqual([events, poison.map(({ error, raw }) => [error.reason, raw])], [[], [[reason, payload ?? ""]]]);
  }
  assert.deepEqual(readRow({ id: 1, payload: "[]" }, origin), { events: [], poison: [] });
});
