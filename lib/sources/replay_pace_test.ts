import assert from "node:assert/strict";
import { EPOCH_US } from "../../tests/support/sqlite.ts";
import { replay } from "./replay.ts";
import { CLOSED, filesOf, line, opened, placeOf, read, recordingOf, textsOf } from "../../tests/support/recordings.ts";

/** A clock that moves only when somebody waits. */
function fakeClock() {
  let ms = 1000;
  const sleeps: number[] = [];
  return {
    now: () => ms,
    sleep(wait: number) {
      sleeps.push(wait);
      ms += wait;
      return Promise.resolve();
    },
    elapsed: () => ms - 1000,
    sleeps,
  };
}

Deno.test("T10: a recording of 2 s takes 0.2 s at speed 10, 2 s at speed 1, no time at all flat out", async () => {
  const steps = Array.from({ length: 200 }, (_, i) => [EPOCH_US + i * 10_050, line(i)]).flat();
  using files = filesOf({ "x.rec": await recordingOf([opened("h"), ...steps, EPOCH_US + 60e6, CLOSED]) });
  for (const [speed, expected] of [[10, 200], [1, 2000], [0, 0]] as const) {
    const clock = fakeClock();
    const batches = await read({ files: files.paths, speed, clock });
    assert.equal(textsOf(batches).length, 200);
    assert.ok(Math.abs(clock.elapsed() - expected) <= 50, `${clock.elapsed()} ms at speed ${speed}`);
    assert.equal(speed === 0 ? 0 : clock.sleeps.length > 10, speed === 0 ? 0 : true);
  }
});

Deno.test("T10: lines go by their own times, and one that lies far ahead holds nothing up", async () => {
  const at = (s: number, i: number) => line(i, EPOCH_US + s * 1e6);
  const texts = [at(0, 1), at(1, 2), line(3, Date.UTC(2099, 0) * 1000), at(0.5, 4), at(2, 5)];
  using files = filesOf({ "x.jsonl": texts.join("\n") });
  const clock = fakeClock();
  const batches = await read({ files: files.paths, speed: 1, clock });
  assert.deepEqual(textsOf(batches), texts);
  assert.ok(Math.abs(clock.elapsed() - 2000) <= 50, `${clock.elapsed()} ms`);
});

Deno.test("T10: stop ends a wait, and the position is before what was waited for", async () => {
  using files = filesOf({ "x.jsonl": [line(1), line(2, EPOCH_US + 3600e6)].join("\n") });
  const stop = new AbortController();
  const reader = replay({ files: files.paths, speed: 1 }).open({ stop: stop.signal }).getReader();
  const { value } = await reader.read();
  assert.deepEqual([textsOf([value!]), placeOf(value).entry], [[line(1)], 1]);
  const waiting = reader.read();
  stop.abort();
  assert.equal((await waiting).done, true);
});
