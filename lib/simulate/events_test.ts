import assert from "node:assert/strict";
import { ConfigError } from "../pipeline/errors.ts";
import { fileEvents, loadEventLines } from "./events.ts";

const V1 = '{"did":"did:plc:a","time_us":1783175888085434,"kind":"commit","commit":{"rev":"r","operation":"create",' +
  '"collection":"a.b.c","rkey":"k","record":{"x":"\\u0026"},"cid":"c"}}';
const V2 = '{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#account",' +
  '"account":{"active":true,"did":"did:plc:b","seq":5,"time":"t"},"did":"did:plc:b","seq":7,"time":"2026-07-04T14:38:08.000012Z"}}';
const SYNC =
  '{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#sync","did":"did:plc:c","seq":9,' +
  '"sync":{"did":"did:plc:c","rev":"r"},"time":"2026-07-04T14:38:09Z"}}';

Deno.test("a v1 line without cursor: the very bytes on legacy, cursor added on new, an envelope on v2", () => {
  const store = fileEvents(loadEventLines(`\n${V1}\r\n`));
  assert.equal(store.last, 1);
  assert.equal(store.seqOf(1), 2); // its line
  assert.equal(store.read(1, "legacy", undefined), V1);
  assert.equal(store.read(1, "v1", undefined), V1.replace(',"kind"', ',"cursor":2,"kind"'));
  assert.deepEqual(JSON.parse(store.read(1, "v2", undefined)!), {
    $type: "message",
    payload: {
      $type: "network.bsky.jetstream.subscribeEvents#commit",
      cid: "c",
      collection: "a.b.c",
      did: "did:plc:a",
      operation: "create",
      record: { x: "&" },
      rev: "r",
      rkey: "k",
      seq: 2,
      time: "2026-07-04T14:38:08.085434Z",
    },
  });
});

Deno.test("cursor is added as well where the line begins otherwise", () => {
  const store = fileEvents(loadEventLines('{"time_us":5,"did":"did:plc:a","kind":"identity","identity":{}}'));
  assert.equal(
    store.read(1, "v1", undefined),
    '{"did":"did:plc:a","time_us":5,"cursor":1,"kind":"identity","identity":{}}',
  );
});

Deno.test("a v2 envelope: the very bytes on v2, v1's members on v1; #sync never on v1", () => {
  const store = fileEvents(loadEventLines(`${V2}\n${SYNC}`));
  assert.equal(store.read(1, "v2", undefined), V2);
  const account = { active: true, did: "did:plc:b", seq: 5, time: "t" };
  const v1 = { did: "did:plc:b", time_us: 1783175888000012, cursor: 7, kind: "account", account };
  assert.equal(store.read(1, "v1", undefined), JSON.stringify(v1));
  assert.equal(store.read(1, "legacy", undefined), JSON.stringify({ ...v1, cursor: undefined }));
  assert.equal(store.read(2, "v2", undefined), SYNC);
  assert.equal(store.read(2, "v1", undefined), undefined);
  assert.equal(store.timeOf(2), 1783175889000000);
});

Deno.test("positions are found by sequence number and by time", () => {
  const store = fileEvents(loadEventLines(`${V2}\n${SYNC}`));
  assert.deepEqual([1, 7, 8, 9, 10].map(store.bySeq), [1, 1, 2, 2, 3]);
  assert.deepEqual([0, 1783175888000012, 1783175888000013, 1783175889000001].map(store.byTime), [1, 1, 2, 3]);
});

Deno.test("info and error frames are left out, and what is not an event names its line", () => {
  const info =
    '{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor"}}';
  assert.equal(loadEventLines(`${info}\n{"$type":"error","error":"ConsumerTooSlow"}\n${V1}\n`).length, 1);
  for (const bad of ["not json", "[]", "null", "{}", '{"did":"did:plc:a","kind":"commit"}', '{"$type":"message"}']) {
    assert.throws(
      () => loadEventLines(`${V1}\n${bad}`),
      (error) => error instanceof ConfigError && /line 2/.test(error.message),
    );
  }
});
