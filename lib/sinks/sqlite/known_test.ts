import assert from "node:assert/strict";
import type { AnyEvent } from "../../atproto/event.ts";
import { commitEvent, commitEvents, EPOCH_US, labelEvent, ORIGIN, put } from "../../../tests/support/sqlite.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { sqliteSink } from "../sqlite.ts";

const SECOND = 1e6;

Deno.test("T20: the log tells which events it holds, under nearly the same time", async () => {
  using folder = tempFolder();
  await using sink = await sqliteSink({ path: `${folder.path}/a.db` });
  const label = labelEvent("at://did:plc:x/app.bsky.feed.post/1", "2026-01-01T00:00:00Z");
  const identity = { did: "did:plc:x", time_us: EPOCH_US, kind: "identity", origin: ORIGIN } as const;
  const named: AnyEvent = { ...identity, identity: { did: "did:plc:x", seq: 7 } };
  await put(sink, [...commitEvents(10), label, named]);

  const late = (i: number, us: number) => commitEvent(i, {}, EPOCH_US + i * 500 + us);
  const asked: [AnyEvent, boolean][] = [
    [commitEvent(3), true],
    [commitEvent(11), false],
    [commitEvent(3, { operation: "delete" }), false],
    [late(4, 5 * SECOND), true],
    [late(5, -5 * SECOND), true],
    [late(6, 3600 * SECOND), false],
    [label, true],
    [{ ...label, label: { ...label.label, neg: true } }, false],
    [named, true],
    [{ ...identity, identity: { did: "did:plc:x", seq: 8 } }, false],
  ];
  assert.deepEqual(await sink.known(asked.map(([event]) => event), 5 * SECOND), asked.map(([, known]) => known));
  assert.deepEqual(await sink.known([], SECOND), []);
});

Deno.test("T20: one event of another age does not make it look through everything in between", async () => {
  using folder = tempFolder();
  await using sink = await sqliteSink({ path: `${folder.path}/a.db` });
  const years = 86_400 * 365 * SECOND;
  await put(sink, [commitEvent(1, {}, EPOCH_US - years), ...commitEvents(2_000, 2)]);
  const asked = [commitEvent(1, {}, EPOCH_US - years), commitEvent(2), commitEvent(9_000, {}, EPOCH_US + years)];
  assert.deepEqual(await sink.known(asked, SECOND), [true, true, false]);
});
