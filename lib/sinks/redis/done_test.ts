import assert from "node:assert/strict";
import { parsePosition } from "../../sources/jetstream/position.ts";
import { isDone, markDone, unmarkDone } from "./done.ts";

Deno.test("a position of Jetstream says that the run ended there, and stays one", () => {
  const cursor = '{"v":1,"host":"h","wire":"v1","time_us":1783175888390226,"n":3}';
  assert.equal(isDone(cursor), false);
  const done = markDone(cursor);
  assert.equal(isDone(done), true);
  assert.equal(markDone(done), done);
  assert.deepEqual([unmarkDone(done), unmarkDone(cursor)], [cursor, cursor]);
  assert.equal(parsePosition(done).time_us, 1783175888390226);
});

Deno.test("numbers and words of lists stay as they are", () => {
  for (const cursor of ["42", "!ingester-done", "3lab"]) {
    assert.deepEqual([markDone(cursor), unmarkDone(cursor)], [cursor, cursor]);
    assert.equal(isDone(cursor), false);
  }
});
