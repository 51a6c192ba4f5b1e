import assert from "node:assert/strict";
import fc from "fast-check";
import { realTest } from "../../tests/support/real_data.ts";
import { type AtEvent, toJson } from "../atproto/event.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { parseV1, parseV2 } from "../sources/jetstream/parse.ts";
import { createWhere } from "./where.ts";
import { hasConstructorMember, toMaps } from "./where/maps.ts";
import { evaluate, origin, withRecord } from "./where/test_events.ts";
import { toView } from "./where/view.ts";

/** The result that the language's definition asks for. `R` stands for the record. */
const EXPRESSIONS: Readonly<Record<string, boolean | "failed">> = {
  'event.kind == "commit" && event.did.startsWith("did:plc:")': true,
  'event["commit"]["rkey"] == "r"': true,
  'R["$type"] == event.commit.collection': true,
  // The cursor has toJson's name; what toJson does not print is not there.
  "event.cursor == 7": true,
  "has(event.seq) || has(event.origin) || has(event.raw)": false,
  // JSON's numbers are doubles; comparisons between types of numbers are by value, arithmetic is not defined.
  "event.time_us > 1700000000000000": true,
  "event.time_us == 1783175888085434": true,
  "event.time_us == 1783175888085434u && event.time_us == 1783175888085434.0": true,
  "event.time_us < 1783175888085435 && 1783175888085433 < event.time_us": true,
  "event.time_us in [1783175888085434]": true,
  "event.time_us + 1 > 0": "failed",
  "event.time_us + 1.0 > 0.0": true,
  "int(event.time_us) % 2 == 0": true,
  "type(event.time_us) == double": true,
  // Lists and maps.
  'R.langs.exists(l, l == "ja")': true,
  "R.langs.all(l, l.size() == 2)": true,
  'R.langs.exists_one(l, l > "i")': true,
  'R.langs.map(l, l + "!") == ["de!", "ja!"]': true,
  'R.langs.filter(l, l != "de") == ["ja"]': true,
  'R.tags.map(t, has(t.weight), t.name) == ["b"]': true,
  'R.tags.exists(t, t.name == "b" && t.weight == 2)': true,
  'R.exists(member, member == "langs")': true,
  '"ja" in R.langs': true,
  '"text" in R': true,
  "2.5 in R.n && 1 in R.n": true,
  'R.langs == ["de", "ja"] && R.langs != ["ja", "de"]': true,
  'R.langs[1] == "ja"': true,
  'R.langs[2] == "ja"': "failed",
  "size(R.langs) == 2 && R.n.size() == 3": true,
  'R.tags[0] == {"name": "a"}': true,
  // Texts: characters are counted, not UTF-16 units.
  'R.text.contains("Morgen") && R.text.endsWith("😼")': true,
  "R.text.size() == 14": true,
  'R.text.matches("(?i)^guten\\\\s")': true,
  "R.text.matches(r'\\bMORGEN\\b')": false,
  // Values of different types are not equal, but not comparable either.
  "R.text == 1": false,
  "R.text > 1": "failed",
  "R.reply == null && has(R.reply)": true,
  // Times.
  'timestamp(R.createdAt) > timestamp("2026-07-04T14:38:08Z") + duration("900ms")': true,
  "timestamp(R.createdAt).getHours() == 14": true,
  "timestamp(R.text).getHours() == 14": "failed",
  // Missing members.
  "R.missing == 1": "failed",
  "!R.missing": "failed",
  "has(R.missing)": false,
  "has(R.missing.member)": "failed",
  "event.identity.did == event.did": "failed",
  // An error is absorbed where the other side decides, and where a loop finds what it looks for.
  'R.missing == 1 || event.kind == "commit"': true,
  'event.kind == "commit" || R.missing == 1': true,
  'R.missing == 1 && event.kind == "identity"': false,
  'event.kind == "identity" && R.missing == 1': false,
  'R.missing == 1 && event.kind == "commit"': "failed",
  "R.tags.exists(t, t.weight == 2)": true,
  "R.tags.all(t, t.weight == 3)": false,
  "R.tags.exists(t, t.weight == 3)": "failed",
  "1 / 0 == 1 || true": true,
  "R.missing ? true : true": "failed",
  // Results that are no truth values.
  "R.text": "failed",
  "R.reply": "failed",
  "R.langs.map(l, l)[0]": "failed",
};

for (const [expression, expected] of Object.entries(EXPRESSIONS)) {
  Deno.test(`--where ${expression}: ${expected}`, () => {
    assert.equal(evaluate(expression.replaceAll(/\bR\b/g, "event.commit.record")), expected);
  });
}

Deno.test("L16: expressions that cannot work are refused with the column", () => {
  const refused: Readonly<Record<string, string>> = {
    "": "unexpected token: EOF (column 1)",
    "event.kind ==": "unexpected token: EOF (column 14)",
    'event.kind = "x"': "unexpected character: = (column 12)",
    '"ä😼" == event.did && x': "unknown variable: x (column 22)",
    "event.did ==\n  evnt.did": "unknown variable: evnt (line 2, column 3)",
    'event.a && foo("x")': "found no matching overload for 'foo(string)' (column 12)",
    'true && 1 + "a" == 2': "no such overload: int + string (column 9)",
    "event.langs.all(1, true)": "all(var, predicate) invalid predicate iteration variable (column 17)",
    "event.did.size()": "it gives int instead of bool (column 1)",
    'event.did.matches("(")': "error parsing regexp: missing closing ): `(` (column 19)",
    'event.did.matches("(a)\\\\1")': "error parsing regexp: invalid escape sequence: `\\1` (column 19)",
    "event.did.matches(event.did)": "the pattern of matches() must be written as a text (column 19)",
    "goOn(1)": "found no matching overload for 'goOn(int)' (column 1)",
  };
  for (const [expression, fault] of Object.entries(refused)) {
    assert.throws(() => createWhere(expression), new ConfigError(`Cannot use --where: ${fault}`), expression);
  }
});

Deno.test("members named like parts of objects are members", () => {
  const record = JSON.parse(
    '{"constructor":{"name":"Object"},"__proto__":{"x":1},"toString":2,"l":[{"constructor":3}]}',
  );
  const holds = (expression: string) =>
    evaluate(expression.replaceAll(/\bR\b/g, "event.commit.record"), withRecord(record));
  assert.equal(holds('R.constructor.name == "Object"'), true);
  assert.equal(holds('R["__proto__"].x == 1 && R.toString == 2'), true);
  assert.equal(holds("R.l.exists(m, m.constructor == 3)"), true);
  assert.equal(holds("R.size() == 4"), true);
  assert.equal(holds('R.exists(k, k == "constructor")'), true);
  assert.equal(holds("R.valueOf == 1"), "failed");
  assert.equal(holds("has(R.hasOwnProperty)"), false);
});

Deno.test("maps hold what the objects held", () => {
  const back = (value: unknown): unknown => {
    if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [key, back(each)]));
    return Array.isArray(value) ? value.map(back) : value;
  };
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const copy = JSON.parse(JSON.stringify(value));
    if (JSON.stringify(copy).includes("__proto__")) return;
    assert.deepEqual(back(toMaps(copy)), copy);
    assert.equal(hasConstructorMember({ a: [copy, { constructor: null }] }), true);
  }));
  assert.equal(hasConstructorMember({ a: ["constructor", { b: {} }] }), false);
});

Deno.test("no record makes an evaluation throw", () => {
  const expressions = [
    "event.commit.record.a.exists(x, x.b == 1)",
    "event.commit.record.a == event.commit.record.b",
    'event.commit.record.a.matches("a") || timestamp(event.commit.record.b) > timestamp("2026-01-01T00:00:00Z")',
    "size(event.commit.record) > 1 && event.commit.record.a[0] in event.commit.record.b",
  ].map((text) => createWhere(text));
  const value = fc.jsonValue({ maxDepth: 3 });
  fc.assert(fc.property(fc.record({ a: value, b: value, constructor: value }, { requiredKeys: [] }), (record) => {
    for (const where of expressions) assert.equal(typeof where.matches(withRecord(record)), "boolean");
  }));
});

const FILES = ["expected_v1.jsonl", "golden_v2server_v1wire.jsonl", "golden_v2.jsonl"];
realTest("an expression sees an object equal to what toJson prints, on every wire", FILES, async (paths) => {
  for (const path of paths) {
    const lines = (await Deno.readTextFile(path)).trim().split("\n");
    const parse = path.endsWith("golden_v2.jsonl") ? parseV2 : parseV1;
    for (const line of lines) {
      const event = parse(line, origin) as AtEvent;
      assert.deepEqual(toView(event), JSON.parse(toJson(event)));
    }
  }
});

Deno.test("labels, listed repos and sync events are seen as toJson prints them too", () => {
  const label = { src: "did:plc:l", uri: "at://x", val: "spam", cts: "2026-01-01T00:00:00Z" };
  const events = [
    { kind: "label", time_us: 1, origin, label },
    { kind: "label", time_us: 1, seq: 2, origin, label },
    { kind: "repo", did: "did:plc:a", time_us: 1, origin, repo: { did: "did:plc:a", active: true } },
    { kind: "sync", did: "did:plc:a", time_us: 1, seq: 3, origin, sync: { did: "did:plc:a", rev: "3k" } },
  ] as const;
  for (const event of events) assert.deepEqual(toView(event), JSON.parse(toJson(event)));
  assert.equal(evaluate('event.label.val == "spam" && event.time_us == 1', events[0]), true);
});
