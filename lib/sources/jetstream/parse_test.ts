import assert from "node:assert/strict";
import { realTest } from "../../../tests/support/real_data.ts";
import { type AtEvent, toJson } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { parseV1, parseV2 } from "./parse.ts";

const v1 = { source: "jetstream", wire: "v1", host: "h" } as const;
const v2 = { source: "jetstream", wire: "v2", host: "h" } as const;
const linesOf = async (path: string) => (await Deno.readTextFile(path)).trim().split("\n");

const HEAD = '"did":"did:plc:a","time_us":1783175888000000';
const commitLine = (commit: string) => `{${HEAD},"kind":"commit","commit":${commit}}`;
const create = (record: string) =>
  commitLine(`{"rev":"3k","operation":"create","collection":"a.b.c","rkey":"r","record":${record},"cid":"bafy"}`);
const envelope = (payload: Record<string, unknown>) => JSON.stringify({ $type: "message", payload });
const PREFIX = "network.bsky.jetstream.subscribeEvents#";

function reasonOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  throw new Error("it was accepted");
}

realTest("J12: real v1 text passes through byte for byte", ["expected_v1.jsonl", "golden_v1.jsonl"], async (paths) => {
  for (const path of paths) {
    for (const line of await linesOf(path)) {
      const event = parseV1(line, v1) as AtEvent;
      const { did, time_us, kind, ...rest } = JSON.parse(line);
      assert.equal(toJson(event), line);
      assert.deepEqual([event.did, event.time_us, event.kind], [did, time_us, kind]);
      assert.deepEqual((event as unknown as Record<string, unknown>)[kind], rest[kind]);
    }
  }
});

realTest(
  "J13: real v2 frames become v1's text of the same run",
  ["golden_v2.jsonl", "golden_v2server_v1wire.jsonl"],
  async ([frames, lines]) => {
    const byCursor = new Map((await linesOf(lines!)).map((line) => [JSON.parse(line).cursor, JSON.parse(line)]));
    const events = (await linesOf(frames!)).map((frame) => parseV2(frame, v2) as AtEvent);
    assert.equal(events.length, 152);
    for (const event of events) {
      assert.equal(event.raw, undefined);
      assert.deepEqual(JSON.parse(toJson(event)), byCursor.get(event.seq));
    }
  },
);

Deno.test("a v2 commit is printed in v1's order", () => {
  const payload = { $type: `${PREFIX}commit`, cid: "bafy", collection: "a.b.c", did: "did:plc:a", operation: "create" };
  const rest = { record: { b: 1, a: 2 }, rev: "3k", rkey: "r", seq: 7, time: "2026-07-04T14:38:08.000001Z" };
  assert.equal(
    toJson(parseV2(envelope({ ...payload, ...rest }), v2) as AtEvent),
    '{"did":"did:plc:a","time_us":1783175888000001,"cursor":7,"kind":"commit","commit":{"rev":"3k","operation":"create",' +
      '"collection":"a.b.c","rkey":"r","record":{"b":1,"a":2},"cid":"bafy"}}',
  );
});

Deno.test("J20: what is no event on v1", () => {
  const notJson = ["not json", "", "{", "[", create("{}").slice(0, -1)];
  for (const text of notJson) assert.equal(reasonOf(() => parseV1(text, v1)), "not_json", text);
  const invalid = ["[]", "123", "null", '""', "{}", '{"kind":"commit"}', "true", commitLine("null"), commitLine("[]")];
  const fields = [
    `{"did":"did:plc:a","time_us":"1783175888000000","kind":"identity","identity":{}}`,
    `{"did":"did:plc:a","time_us":-1,"kind":"identity","identity":{}}`,
    `{"did":"did:plc:a","time_us":1.5,"kind":"identity","identity":{}}`,
    `{"did":"did:plc:a","time_us":9007199254740993,"kind":"identity","identity":{}}`,
    `{"did":"did:plc:a","time_us":1,"cursor":"7","kind":"identity","identity":{}}`,
    `{"did":"me","time_us":1,"kind":"identity","identity":{}}`,
    `{"did":"did:${"x".repeat(2045)}","time_us":1,"kind":"identity","identity":{}}`,
    `{${HEAD},"kind":"identity"}`,
    `{${HEAD},"kind":"account","account":{"did":"did:plc:a"}}`,
    `{${HEAD},"kind":"account","account":{"active":"yes","did":"did:plc:a"}}`,
    commitLine('{"rev":"3k","operation":"upsert","collection":"a.b.c","rkey":"r","record":{}}'),
    commitLine('{"rev":"3k","operation":"create","collection":"","rkey":"r","record":{}}'),
    commitLine('{"rev":"3k","operation":"create","collection":"a.b.c","record":{}}'),
    commitLine('{"operation":"delete","collection":"a.b.c","rkey":"r"}'),
    create("null"),
    create('"text"'),
    create("[]"),
  ];
  for (const text of [...invalid, ...fields]) assert.equal(reasonOf(() => parseV1(text, v1)), "invalid", text);
});

Deno.test("J20: what is no event on v2", () => {
  assert.equal(reasonOf(() => parseV2("not json", v2)), "not_json");
  for (const text of ['{"payload":{}}', '{"$type":"message"}', '{"$type":"message","payload":null}', envelope({})]) {
    assert.equal(reasonOf(() => parseV2(text, v2)), "protocol", text);
  }
  const good = {
    $type: `${PREFIX}identity`,
    did: "did:plc:a",
    identity: { did: "did:plc:a" },
    seq: 1,
    time: "2026-07-04T14:38:08Z",
  };
  assert.equal((parseV2(envelope(good), v2) as AtEvent).kind, "identity");
  for (const wrong of [{ did: 1 }, { seq: 0 }, { seq: "1" }, { time: "today" }, { time: 5 }, { identity: null }]) {
    assert.equal(reasonOf(() => parseV2(envelope({ ...good, ...wrong }), v2)), "invalid", JSON.stringify(wrong));
  }
});

Deno.test("J21: unknown kinds are noticed with their position", () => {
  assert.deepEqual(parseV1(`{${HEAD},"kind":"sync","sync":{}}`, v1), {
    notice: "ignored",
    name: "sync",
    time_us: 1783175888000000,
  });
  assert.deepEqual(parseV1(`{${HEAD},"cursor":9,"kind":"new"}`, v1), {
    notice: "ignored",
    name: "new",
    time_us: 1783175888000000,
    seq: 9,
  });
  assert.deepEqual(parseV2(envelope({ $type: `${PREFIX}new`, seq: 9, time: "2026-07-04T14:38:08Z" }), v2), {
    notice: "ignored",
    name: "new",
    time_us: 1783175888000000,
    seq: 9,
  });
  assert.deepEqual(parseV2('{"$type":"new"}', v2), { notice: "ignored", name: "new" });
});

Deno.test("the server's words about the stream", () => {
  assert.deepEqual(parseV2(envelope({ $type: `${PREFIX}info`, name: "OutdatedCursor", message: "m" }), v2), {
    notice: "info",
    name: "OutdatedCursor",
    message: "m",
  });
  assert.deepEqual(parseV2('{"$type":"error","error":"ConsumerTooSlow","message":"m"}', v2), {
    notice: "error",
    name: "ConsumerTooSlow",
    message: "m",
  });
});

Deno.test("J22: large, deep and odd records are kept as they came", () => {
  const records = [
    JSON.stringify({ text: "x".repeat(1_100_000) }),
    `${'{"a":'.repeat(10_001)}1${"}".repeat(10_001)}`,
    '{"text":"a\\u2028b\u2028c"}',
    '{"text":"\\ud800"}',
    '{"text":"caf\\u00e9 \\u0026 \u{1F600}","$type":5}',
  ];
  for (const record of records) {
    const raw = create(record);
    const event = parseV1(raw, v1) as AtEvent;
    assert.equal(event.kind, "commit");
    assert.ok(toJson(event) === raw);
  }
  const others = [
    `{${HEAD},"kind":"identity","identity":{"did":"did:plc:a","seq":5,"time":"2026-07-04T14:38:08Z"}}`,
    commitLine('{"rev":"3k","operation":"delete","collection":"a.b.c","rkey":"self:a.b"}'),
    `{${HEAD},"type":"com","kind":"account","account":{"active":false,"did":"did:plc:a","status":"brand-new"},"extra":1}`,
  ];
  for (const raw of others) assert.equal(toJson(parseV1(raw, v1) as AtEvent), raw);
});

Deno.test("J22: a v2 record nested 10,001 deep can be printed", () => {
  const record = `${'{"a":'.repeat(10_001)}1${"}".repeat(10_001)}`;
  const payload = `{"$type":"${PREFIX}commit","cid":"b","collection":"a.b.c","did":"did:plc:a","operation":"create",` +
    `"record":${record},"rev":"3k","rkey":"r","seq":1,"time":"2026-07-04T14:38:08.000000Z"}`;
  const event = parseV2(`{"$type":"message","payload":${payload}}`, v2) as AtEvent;
  assert.ok(toJson(event).includes(record));
});
