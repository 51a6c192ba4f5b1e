import assert from "node:assert/strict";
import type { AtEvent, Origin } from "../../atproto/event.ts";
import { makePlan } from "./options.ts";
import { parsePosition } from "./position.ts";
import { Track } from "./track.ts";

const T = 1783175888000000, SECOND = 1e6;
const origin: Origin = { source: "jetstream", wire: "v1", host: "h" };
const event = (i: number, time_us = T + i * 100_000): AtEvent => ({
  did: `did:plc:${i}`,
  time_us,
  kind: "identity",
  identity: { did: `did:plc:${i}`, seq: i },
  origin,
});
const newTrack = () => new Track(makePlan({ url: "ws://h/subscribe" }));

/** Hands events on as one batch. */
function handOn(track: Track, ...events: AtEvent[]) {
  const begin = track.time, nowUs = T + 600 * SECOND;
  for (const each of events) track.move(each.time_us, each.seq, origin, nowUs);
  return track.batch(events, { begin, filtered: 0, duplicates: 0, nowUs, origin });
}

Deno.test("events that come later than newer ones have positions of their own", () => {
  const track = newTrack();
  const first = handOn(track, event(1), event(5));
  const second = handOn(track, event(2), event(3));
  const cursors = [
    first.cursorAfter!(first.items[0]),
    first.cursor,
    second.cursorAfter!(second.items[0]),
    second.cursor,
  ];
  const recent = cursors.map((cursor) => parsePosition(track.seal(cursor!)).recent!.length);
  assert.deepEqual(recent, [1, 2, 3, 4]);
  assert.deepEqual(cursors.slice(1).map((cursor) => parsePosition(cursor!).time_us), Array(3).fill(T + 500_000));
});

Deno.test("a position that a slow sink reached long ago is sealed with all that came before it", () => {
  const track = newTrack();
  const batches = Array.from({ length: 400 }, (_, i) => {
    const batch = handOn(track, event(i));
    if (i === 80) track.seal(batch.cursor!);
    return batch;
  });
  const behind = parsePosition(track.seal(batches[90]!.cursor!));
  assert.equal(behind.recent_since, behind.time_us - 6 * SECOND);
  assert.ok(behind.recent!.length >= 60 && behind.recent!.length <= 91, `${behind.recent!.length}`);
});

Deno.test("what nobody seals is remembered for the overlap only", () => {
  const track = newTrack();
  for (let i = 0; i < 400; i++) handOn(track, event(i));
  assert.ok(track.memory.since >= T + (399 - 62) * 100_000);
});

Deno.test("a saved position is resumed with all its hashes, and nothing older is asked for", async () => {
  const before = newTrack();
  const batches = Array.from({ length: 100 }, (_, i) => handOn(before, event(i)));
  const sealed = before.seal(batches.at(-1)!.cursor!);
  const after = newTrack();
  await after.start({ cursor: sealed }, T);
  const { cursor, elsewhere } = after.resume("h");
  assert.deepEqual([cursor, elsewhere], [T + 9_900_000 - 5 * SECOND, false]);
  const known = after.memory.recognizer();
  assert.deepEqual([known(event(99)), known(event(49)), known(event(100))], [true, true, false]);
});

Deno.test("a sink's own memory takes the place of hashes", async () => {
  const track = newTrack();
  const saved = JSON.stringify({ v: 1, host: "h", wire: "v1", time_us: T });
  const asked: number[] = [];
  const recall = (since: number) => {
    asked.push(since);
    return Promise.resolve({ items: [event(-1)], since: T - 2 * SECOND });
  };
  await track.start({ cursor: saved, recall }, T);
  assert.deepEqual(asked, [T - 5 * SECOND]);
  assert.equal(track.resume("h").cursor, T - 2 * SECOND + 1, "only as far back as the sink remembers");
  assert.ok(track.memory.recognizer()(event(-1)));
});

Deno.test("afresh: a run begins live and never asks for what the saved position covers, and no gap says so", async () => {
  const track = newTrack();
  await track.start({ cursor: JSON.stringify({ v: 1, host: "h", wire: "v1", time_us: T }), afresh: true }, T);
  assert.equal(track.resume("h").cursor, undefined);
  const { gaps } = handOn(track, event(10));
  assert.deepEqual([gaps, track.resume("h").cursor], [undefined, T + 1]);
});

Deno.test("C7: a server that holds less than the overlap, but all that is new, leaves no gap", () => {
  for (const [first, gaps] of [[9, 0], [10, 0], [11, 1]] as const) {
    const track = newTrack();
    handOn(track, event(10));
    track.expectGap({ reason: "outdated_cursor", host: "h", detail: "starting at seq 1" });
    track.resolveGap(event(first), first < 11);
    assert.equal(handOn(track, event(11)).gaps?.length ?? 0, gaps, `first event ${first}`);
  }
});
