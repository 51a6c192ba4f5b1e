import assert from "node:assert/strict";
import { ConfigError } from "../../pipeline/errors.ts";
import { advance, formatPosition, parsePosition, type Position } from "./position.ts";

const T = 1783175888000000, SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

Deno.test("a position is read as it was written", () => {
  const position: Position = {
    v: 1,
    host: "h:1",
    wire: "v2",
    time_us: T,
    seq: 7,
    recent: ["AAAAAAAA"],
    recent_since: T - 1,
  };
  assert.deepEqual(parsePosition(formatPosition(position)), position);
  assert.deepEqual(parsePosition(String(T)), { v: 1, host: "", wire: "v1", time_us: T });
});

Deno.test("J40: what is no position is refused, never taken as live", () => {
  const good = { v: 1, host: "h", wire: "v1", time_us: T };
  const bad = ["", "{", "abc", "{}", "null", "[]", "5", "-1", "1.5e15.", `"${T}"`, JSON.stringify({ ...good, v: 2 })];
  const fields = [{ time_us: 5 }, { time_us: "x" }, { wire: "v3" }, { host: 1 }, { seq: 0 }, { seq: "1" }, {
    recent: [1],
  }];
  for (const text of [...bad, ...fields.map((f) => JSON.stringify({ ...good, ...f }))]) {
    assert.throws(() => parsePosition(text), ConfigError, text);
  }
});

Deno.test("J42: a position follows the stream, whatever the local clock says", () => {
  for (const now of [T, T - 2 * HOUR, T + 2 * HOUR]) {
    let time = advance(undefined, T, now);
    for (let i = 1; i <= 5; i++) time = advance(time, T + i * MINUTE, now);
    assert.equal(time, T + 5 * MINUTE, `clock off by ${(now - T) / HOUR} h`);
  }
  assert.equal(advance(T, T - SECOND, T), T, "it never goes back");
  assert.equal(advance(T, T + HOUR, T + HOUR), T + HOUR, "a pause of the stream is no fault");
});

Deno.test("J42: one event dated 2099 does not move it", () => {
  const future = 4070908800000000;
  assert.equal(advance(T, future, T), T);
  assert.equal(advance(undefined, future, T), undefined, "the first one neither");
  assert.equal(advance(undefined, T + DAY, T), T + DAY);
  assert.equal(advance(T, T + 10 * MINUTE, T - DAY), T + 10 * MINUTE);
  assert.equal(advance(T, T + 10 * MINUTE + 1, T), T);
});
