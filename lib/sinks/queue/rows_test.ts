import assert from "node:assert/strict";
import type { AnyEvent } from "../../atproto/event.ts";
import { EVERY_KIND } from "../../../tests/contract/events.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { commitEvent, commitEvents, EPOCH_US, v1Event } from "../../../tests/support/sqlite.ts";
import { queueTime, readQueueTime } from "./records.ts";
import { rowMaker } from "./rows.ts";

const NOW = Date.UTC(2026, 6, 4, 14, 38, 8, 90);

function rowsOf(events: readonly AnyEvent[], batchSize = 100) {
  return rowMaker({ batchSize, run: "R" })(events, NOW).map(({ payload, metadata, created_at }) => ({
    records: JSON.parse(payload),
    metadata: JSON.parse(metadata),
    created_at,
  }));
}

realTest("C10: rows of the real events are as the MET connector's", ["expected_v1.jsonl"], ([file]) => {
  const lines = Deno.readTextFileSync(file!).trimEnd().split("\n");
  const rows = rowsOf(lines.map((line) => v1Event(line)));
  assert.deepEqual(rows.map(({ records }) => records.length), [100, 52]);
  for (const [i, record] of rows.flatMap(({ records }) => records).entries()) {
    const event = JSON.parse(lines[i]!);
    assert.deepEqual(record, {
      did: event.did,
      time_us: String(event.time_us),
      kind: event.kind,
      commit_data: event.commit ?? null,
      identity_data: event.identity ?? null,
      account_data: event.account ?? null,
      collection: event.commit?.collection ?? "",
      created_at: "2026-07-04-14:38:08",
    });
    assert.deepEqual(Object.keys(record), [
      "did",
      "time_us",
      "kind",
      "commit_data",
      "identity_data",
      "account_data",
      "collection",
      "created_at",
    ]);
  }
  const [first, second] = rows.map(({ metadata }) => metadata);
  assert.deepEqual(second, {
    batch_timestamp: "2026-07-04T14:38:08.090+00:00",
    batch_size: 100,
    actual_batch_size: 52,
    collections: second.collections,
    first_time_us: String(JSON.parse(lines[100]!).time_us),
    last_time_us: "1783175888390226",
    run: "R",
    source: "jetstream",
    host: "example.test",
  });
  const names = new Set(lines.map((line) => JSON.parse(line).commit?.collection ?? ""));
  names.delete("");
  assert.deepEqual(second.collections, [...names].sort());
  assert.ok(first.collections.every((name: string) => second.collections.includes(name)));
  assert.equal(rows[0]!.created_at, "2026-07-04-14:38:08");
});

Deno.test("C11: a delete has no record and no cid, an identity may have no handle, sync has a member of its own", () => {
  const [row] = rowsOf(EVERY_KIND);
  const by = (kind: string) => row!.records.filter((record: { kind: string }) => record.kind === kind);
  const deleted = by("commit")[2];
  assert.deepEqual(Object.keys(deleted.commit_data), ["operation", "collection", "rkey"]);
  assert.equal(deleted.collection, "app.bsky.feed.like");
  assert.deepEqual(by("identity").map((record: { identity_data: object }) => Object.keys(record.identity_data)), [
    ["did", "handle", "seq"],
    ["did"],
  ]);
  const [account] = by("account");
  assert.deepEqual([account.collection, account.commit_data, account.account_data.active], ["", null, false]);
  const [sync] = by("sync");
  assert.deepEqual([sync.sync_data.rev, sync.collection, sync.account_data], ["3k", "", null]);
  assert.deepEqual(row!.records.filter((record: object) => "sync_data" in record), [sync]);
  assert.equal(by("label")[0].label_data.val, "!hide");
  assert.equal(by("repo")[0].repo_data.head, "bafyreia");
});

Deno.test("C2: rows have at most the configured number of records", () => {
  assert.deepEqual(rowsOf(commitEvents(5), 2).map(({ records }) => records.length), [2, 2, 1]);
  assert.deepEqual(rowsOf([], 2), []);
});

Deno.test("a row ends before it becomes too long to be read", () => {
  const long = commitEvent(1, { record: { text: "x".repeat(30_000_000) } });
  assert.deepEqual(rowsOf([long, long, long]).map(({ records }) => records.length), [2, 1]);
});

Deno.test("collections are those of the run so far", () => {
  const make = rowMaker({ batchSize: 100, run: "R" });
  const collections = (...names: string[]) => {
    const events = names.map((collection) => commitEvent(1, { collection }));
    return make(events, NOW).map(({ metadata }) => JSON.parse(metadata).collections);
  };
  assert.deepEqual(collections("b.b.b", "a.a.a", "b.b.b"), [["a.a.a", "b.b.b"]]);
  assert.deepEqual(collections("a.b.c"), [["a.a.a", "a.b.c", "b.b.b"]]);
});

Deno.test("text as received goes into the record unchanged", () => {
  const commit =
    `{"rev":"r","operation":"create","collection":"a.b.c","rkey":"k","record":{"n":1.0,"big":12345678901234567890}}`;
  const event = v1Event(`{"did":"did:plc:a","time_us":${EPOCH_US},"kind":"commit","commit":${commit}}`);
  const [row] = rowMaker({ batchSize: 1, run: "R" })([event], NOW);
  assert.ok(row!.payload.includes(`"commit_data":${commit},"identity_data":null`));
});

Deno.test("times are read in every form that the column may have", () => {
  assert.equal(queueTime(NOW), "2026-07-04-14:38:08");
  for (const text of ["2026-07-04-14:38:08", "2026-07-04 14:38:08", "2026-07-04T14:38:08.090Z"]) {
    assert.equal(readQueueTime(text), NOW - 90, text);
  }
  for (const text of ["", "yesterday", "2026-13-04-14:38:08", null, 7]) assert.equal(readQueueTime(text), undefined);
});
