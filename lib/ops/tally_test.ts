import assert from "node:assert/strict";
import { countCollection, createCounters } from "../pipeline/counters.ts";
import { Tally } from "./tally.ts";

const START = Date.UTC(2026, 0, 1);

/** Counters of a run that took so many commits of a collection. */
function counting(collections: Record<string, number>, received: number) {
  const counters = createCounters();
  for (const [name, count] of Object.entries(collections)) counters.collections.set(name, count);
  counters.received = received;
  return counters;
}

Deno.test("W24: nothing yet: zeros, and the time of the start", () => {
  assert.deepEqual(Object.entries(new Tally(createCounters(), undefined, START).five), [
    ["cursor", 0],
    ["eventCounts", Object.create(null)],
    ["totalEvents", 0],
    ["totalReceived", 0],
    ["lastEventTime", "2026-01-01T00:00:00.000Z"],
  ]);
});

Deno.test("W25, W26: what was counted before is added to, by collection, most first", () => {
  const first = new Tally(counting({ "app.bsky.feed.post": 93 }, 103), undefined, START);
  first.look(START + 1000);
  const saved = first.five;
  assert.deepEqual([saved.totalEvents, saved.totalReceived], [93, 103]);
  assert.equal(saved.lastEventTime, "2026-01-01T00:00:01.000Z");
  const second = new Tally(createCounters(), JSON.parse(JSON.stringify(saved)), START + 60_000);
  second.look(START + 61_000);
  assert.deepEqual({ ...second.five }, { ...saved });
  const third = new Tally(counting({ "app.bsky.feed.like": 100, "app.bsky.feed.post": 1 }, 101), saved, START);
  assert.deepEqual(Object.entries(third.five.eventCounts), [["app.bsky.feed.like", 100], ["app.bsky.feed.post", 94]]);
  assert.deepEqual([third.five.totalEvents, third.five.totalReceived], [194, 204]);
});

Deno.test("W28: a reset sets counts to zero and keeps the cursor; what comes later counts from there", () => {
  const counters = counting({ a: 5 }, 7);
  counters.cursors.set("jetstream", '{"v":1,"time_us":1783175888000000}');
  const tally = new Tally(counters, undefined, START);
  tally.reset();
  assert.deepEqual([tally.five.totalEvents, tally.five.totalReceived], [0, 0]);
  assert.equal(tally.five.cursor, 1783175888000000);
  countCollection(counters.collections, "a");
  counters.received++;
  assert.deepEqual({ ...tally.five.eventCounts }, { a: 1 });
  assert.deepEqual([tally.five.totalEvents, tally.five.totalReceived, tally.since("received")], [1, 1, 1]);
});

Deno.test("W28: a position that is forgotten is 0 until there is another one", () => {
  const counters = createCounters();
  const saved = { ...new Tally(counters, undefined, START).five, cursor: 1783175888000000 };
  const tally = new Tally(counters, saved, START);
  assert.equal(tally.five.cursor, 1783175888000000);
  tally.forgetCursor();
  assert.equal(tally.five.cursor, 0);
  counters.lastTimeUs = 1783175889000000;
  assert.equal(tally.five.cursor, 1783175889000000);
});

Deno.test("the cursor is the time of the oldest position, else of the newest safe event, else the one before", () => {
  const counters = createCounters();
  const tally = new Tally(counters, undefined, START);
  counters.lastTimeUs = 1783175889000000;
  assert.equal(tally.five.cursor, 1783175889000000);
  counters.cursors.set("subscribeRepos:cursor:a", "31527015322");
  assert.equal(tally.five.cursor, 1783175889000000, "a sequence number is no time");
  counters.cursors.set("a", "1783175880000000").set("b", '{"time_us":1783175870000000}');
  assert.equal(tally.five.cursor, 1783175870000000);
});

Deno.test("more than 1,000 collections: the others count together", () => {
  const saved = {
    cursor: 0,
    eventCounts: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`old.${i}`, 1])),
    totalEvents: 1000,
    totalReceived: 1000,
    lastEventTime: new Date(START).toISOString(),
  };
  const { eventCounts, totalEvents } = new Tally(counting({ x: 3, y: 4 }, 7), saved, START).five;
  assert.equal(totalEvents, 1007);
  assert.equal(eventCounts.other, 7);
  assert.equal(Object.keys(eventCounts).length, 1001);
});

Deno.test("a collection may be called as a member that every object has", () => {
  const { eventCounts } = new Tally(counting({ ["__proto__"]: 0 }, 0), undefined, START).five;
  assert.deepEqual(Object.keys(eventCounts), []);
  const counters = createCounters();
  countCollection(counters.collections, "__proto__");
  assert.equal(JSON.stringify(new Tally(counters, undefined, START).five.eventCounts), '{"__proto__":1}');
});
