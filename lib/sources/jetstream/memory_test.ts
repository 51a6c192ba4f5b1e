import assert from "node:assert/strict";
import type { AtEvent } from "../../atproto/event.ts";
import { Memory, MOST_REMEMBERED, shortHash } from "./memory.ts";

const event = (i: number): AtEvent => ({
  did: `did:plc:${i}`,
  time_us: i,
  kind: "identity",
  identity: { did: `did:plc:${i}`, seq: i },
  origin: { source: "jetstream", wire: "v1", host: "h" },
});
const events = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => event(from + i));

Deno.test("what was added is recognised, by reference and by hash", () => {
  const memory = new Memory(0);
  memory.restore({ hashes: [shortHash(event(1))] }, 1);
  memory.restore({ events: [event(2)] }, 2);
  memory.add([event(3)], 3, 0, "c3");
  const known = memory.recognizer();
  assert.deepEqual([1, 2, 3, 4].map((i) => known(event(i))), [true, true, true, false]);
  assert.equal(shortHash(event(1)).length, 8);
});

Deno.test("what is older than the horizon is forgotten in whole batches, and `since` says so", () => {
  const memory = new Memory(0);
  memory.add(events(1, 10), 10, 0, "a");
  memory.add(events(11, 20), 20, 5, "b");
  assert.equal(memory.since, 0, "the first batch still reaches past the horizon");
  memory.add(events(21, 30), 30, 15, "c");
  assert.equal(memory.since, 10);
  const known = memory.recognizer();
  assert.deepEqual([known(event(10)), known(event(11)), known(event(30))], [false, true, true]);
});

Deno.test("memory is bounded, the newest batch always stays", () => {
  const memory = new Memory(0);
  for (let i = 0; i < 3; i++) {
    const from = i * MOST_REMEMBERED * 0.6 + 1, to = (i + 1) * MOST_REMEMBERED * 0.6;
    memory.add(events(from, to), to, 0, `c${i}`);
  }
  assert.equal(memory.since, 2 * MOST_REMEMBERED * 0.6);
  assert.equal(memory.hashesUpTo("c2").length, MOST_REMEMBERED * 0.6);
});

Deno.test("hashes go up to the position that is saved, not further", () => {
  const memory = new Memory(0);
  memory.restore({ hashes: ["AAAAAAAA"] }, 0);
  const [a, b] = [events(1, 2), events(3, 6)];
  memory.add(a, 2, 0, "a");
  memory.add(b, 6, 0, "b");
  assert.deepEqual(memory.hashesUpTo("a"), ["AAAAAAAA", ...a.map(shortHash)]);
  assert.deepEqual(memory.hashesUpTo("b"), ["AAAAAAAA", ...[...a, ...b].map(shortHash)]);
});

Deno.test("every cut of a batch is a position of its own, also once later cuts were made", () => {
  const memory = new Memory(0);
  const [a, b] = [events(1, 4), events(5, 8)];
  memory.add(a, 4, 0, "a");
  memory.noteCut(a, 1, "a1");
  memory.noteCut(a, 3, "a3");
  memory.add(b, 8, 0, "b");
  memory.noteCut(b, 2, "b2");
  const hashes = [...a, ...b].map(shortHash);
  const counts = { a1: 1, a3: 3, a: 4, b2: 6, b: 8 };
  for (const [cursor, count] of Object.entries(counts)) {
    assert.deepEqual(memory.hashesUpTo(cursor), hashes.slice(0, count), cursor);
  }
});
