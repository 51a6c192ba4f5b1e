import assert from "node:assert/strict";
import { Environment } from "@marcbachmann/cel-js";
import fc from "fast-check";
import type { AnyEvent } from "../../atproto/event.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { createWhere } from "../where.ts";
import { evaluate, EVENT, withRecord } from "./test_events.ts";
import { toView } from "./view.ts";

Deno.test("an expression of any length and depth is compiled or refused", () => {
  const refused = [
    "(".repeat(1e5),
    "!".repeat(1e5) + "true",
    "true" + " && true".repeat(4e4),
    "event" + "[0]".repeat(4e4),
  ];
  for (const expression of refused) assert.throws(() => createWhere(expression), ConfigError, expression.slice(0, 20));
  const loops = "event.did == event.did || event.all(x, ".repeat(60) + "true" + ")".repeat(60);
  assert.equal(evaluate(loops), true);
  assert.equal(evaluate("event.kind == 'commit'" + " && event.kind == 'commit'".repeat(900)), true);
  const parts = [
    "event",
    ".did",
    ".all(x, ",
    "x",
    ")",
    "(",
    " && ",
    " == ",
    "'a'",
    "1",
    "!",
    "[",
    "]",
    ".matches(",
    "//",
    "\n",
    "?",
    ":",
  ];
  const soup = fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((all) => all.join(""));
  fc.assert(fc.property(fc.oneof(fc.string(), soup), (expression) => {
    try {
      createWhere(expression).matches(EVENT);
    } catch (error) {
      assert(error instanceof ConfigError, `${expression}: ${error}`);
    }
  }));
});

Deno.test("comments, white space and parentheses around what is metered", () => {
  const expressions = [
    "event.commit.record.n.all(x // , (\n , (x == 1) || (x) < (3) // )\n)",
    "event.commit.record.n.map( (x) , ((x) > 0.0) , (x) ).size() == 2",
    "event.commit.record.tags.exists(t, t.name // matches\n . // matches\n matches('b') && ((t).weight) == (2))",
    "(event.commit.record.tags[1].name).matches('b') && (true ? (event.did).matches(('did')) : false)",
    "cel.bind(l, event.commit.record.n, l.all(x, l.exists(y, ((y)) == ((x)))) && l.exists_one(x, x == 1))",
  ];
  for (const expression of expressions) assert.equal(evaluate(expression), true, expression);
});

const numbers = (length: number) => Array.from({ length }, (_, i) => i);
const L = "event.commit.record.l";

Deno.test("100,000 steps: a long list passes, and what needs more fails soon", () => {
  assert.equal(evaluate(`${L}.exists(x, x == 0.5)`, withRecord({ l: numbers(20_000) })), false);
  assert.equal(
    evaluate(`${L}.exists(x, x == 0)`, withRecord({ l: numbers(1_000_000) })),
    true,
    "it stops at the first",
  );
  const bombs = [
    `${L}.exists(x, x == -1)`,
    `${L}.all(x, ${L}.all(y, ${L}.all(z, x + y + z >= 0.0)))`,
    `${L}.exists(x, ${L}.exists(y, ${L}.exists(z, x + y + z < 0.0)))`,
    `${L}.map(x, ${L}.map(y, ${L}.map(z, x))).size() == 0`,
    `${L}.filter(x, ${L}.filter(y, y > x).size() > 0).size() == 0`,
    `${L}.all(x, ${L}.exists_one(y, y == x) || true) || true`,
    numbers(7).reduce((body, n) => `[1,2,3,4,5,6,7,8,9].all(x${n}, ${body})`, "true"),
  ];
  for (const expression of bombs) {
    const where = createWhere(expression, { ms: Infinity });
    const started = performance.now();
    assert.equal(where.matches(withRecord({ l: numbers(1_000_000) })), false, expression);
    assert.equal(where.failures, 1, expression);
    assert(performance.now() - started < 2000, expression);
    if (expression.startsWith(L)) {
      where.matches(withRecord({ l: [1] }));
      assert.equal(where.failures, 1, `${expression}: the next event is counted anew`);
    }
  }
});

Deno.test("steps count nodes: the limit is exact", () => {
  // Each turn: itself, ==, x and 99.0.
  const expression = `${L}.exists(x, x == 99.0)`;
  const least = (length: number) => {
    const event = withRecord({ l: numbers(length) });
    return numbers(1000).find((steps) => evaluate(expression, event, { steps }) === false)!;
  };
  assert.equal(least(20) - least(10), least(30) - least(20));
  assert.equal((least(20) - least(10)) / 10, 4);
});

Deno.test("a slow evaluation is stopped by the clock", () => {
  let now = 0;
  const where = createWhere(`${L}.exists(x, x == -1)`, { ms: 1000, now: () => now += 300 });
  assert.equal(where.matches(withRecord({ l: numbers(10_000) })), false);
  assert.equal(where.failures, 1);
  assert.equal(where.matches(withRecord({ l: numbers(10) })), false);
  assert.equal(where.failures, 1);
});

Deno.test("patterns need linear time, whatever the text", () => {
  const text = "a".repeat(50_000) + "!";
  for (const pattern of ["^(a+)+$", "^(a|a)*$", "^(a*)*b", "(.*)(.*)(.*)(.*)x$"]) {
    const started = performance.now();
    assert.equal(evaluate(`event.commit.record.text.matches("${pattern}")`, withRecord({ text })), false, pattern);
    assert(performance.now() - started < 2000, pattern);
  }
  const many = withRecord({ text: text.repeat(20), l: numbers(10_000) });
  assert.equal(evaluate(`${L}.all(x, event.commit.record.text.matches("!"))`, many), "failed");
});

Deno.test("records that are nested without end fail, and nothing else", () => {
  const nested = () => JSON.parse(`${"[".repeat(200_000)}${"]".repeat(200_000)}`);
  const event = withRecord({ a: nested(), b: nested(), constructor: 1 });
  assert.equal(evaluate("event.commit.record.a == event.commit.record.b", event), "failed");
  assert.equal(evaluate("event.commit.record.constructor == 1", event), true);
});

/** Expressions of any shape, most of which fail for most events. */
const { expression: anyExpression } = fc.letrec<{ operand: string; expression: string }>((tie) => ({
  operand: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(
      "event.commit",
      "event.commit.a",
      "event.commit.b[0]",
      "v",
      "w",
      "1",
      "-2.5",
      '"a"',
      "true",
      "null",
      "[1, 2]",
      "event.commit['a']",
    ),
    tie("expression").map((e) => `(${e})`),
    tie("operand").map((o) => `size(${o})`),
    fc.tuple(tie("operand"), tie("operand")).map(([a, b]) => `${a}.map(v, ${b})`),
    fc.tuple(tie("operand"), tie("expression")).map(([a, b]) => `${a}.filter(w, ${b})`),
  ),
  expression: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.tuple(tie("operand"), fc.constantFrom("==", "!=", "<", ">=", "in"), tie("operand")).map((parts) =>
      parts.join(" ")
    ),
    fc.tuple(
      tie("operand"),
      fc.constantFrom("all", "exists", "exists_one"),
      fc.constantFrom("v", "w"),
      tie("expression"),
    )
      .map(([a, loop, name, b]) => `${a}.${loop}(${name}, ${b})`),
    fc.tuple(tie("expression"), fc.constantFrom("&&", "||"), tie("expression")).map(([a, op, b]) =>
      `(${a}) ${op} (${b})`
    ),
    fc.constant("has(event.commit.a)"),
    tie("expression").map((e) => `!(${e})`),
  ),
}));

Deno.test("an expression gives with its meter what it gives without", () => {
  const environment = new Environment({ homogeneousAggregateLiterals: false }).registerVariable("event", "dyn");
  const value = fc.jsonValue({ maxDepth: 2 });
  const commits = fc.oneof(value, fc.record({ a: value, b: fc.array(value) }, { requiredKeys: [] }));
  let compared = 0;
  const plain = (expression: string, event: AnyEvent): unknown => {
    try {
      return environment.evaluate(expression, { event: toView(event) });
    } catch {
      return "failed";
    }
  };
  const compare = (body: string, commit: unknown) => {
    const expression = `[1, "a"].all(v, [true].exists(w, ${body}))`;
    const event = { ...withRecord({}), commit } as AnyEvent;
    if (!environment.check(expression).valid) return void assert.throws(() => createWhere(expression), ConfigError);
    assert.equal(evaluate(expression, event, { steps: Infinity, ms: Infinity }), plain(expression, event));
    compared++;
  };
  fc.assert(fc.property(anyExpression, commits, compare), { numRuns: 2000 });
  assert(compared > 200, `${compared}`);
});
