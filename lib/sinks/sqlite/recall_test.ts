import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type AtEvent, type CommitEvent, dedupeKey } from "../../atproto/event.ts";
import { commitEvent, commitEvents, EPOCH_US, labelEvent, ORIGIN, put } from "../../../tests/support/sqlite.ts";
import { ConfigError, FatalError } from "../../pipeline/errors.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { type SqliteIndex, sqliteSink } from "../sqlite.ts";

/** With the index on time and without it, the two ways of looking. */
const WAYS: readonly (readonly [string, SqliteIndex[]])[] = [["with the index", ["time"]], ["without", []]];

const keys = (events: readonly AtEvent[]) => events.map(dedupeKey).sort();

Deno.test("recall gives events back with all that tells them apart", async (t) => {
  const base = { did: "did:plc:a", time_us: EPOCH_US, origin: ORIGIN };
  const events: AtEvent[] = [
    commitEvent(1),
    commitEvent(2, { operation: "delete" }),
    { ...commitEvent(3), seq: 77 },
    commitEvent(4, { rkey: "a\0b" }),
    commitEvent(5, { rkey: "half \ud800" }),
    {
      ...base,
      kind: "commit",
      commit: { operation: "create", collection: "a.b.c", rkey: "norev", cid: "bafy", record: {} },
    },
    { ...base, kind: "commit", commit: { operation: "create", collection: "a.b.c", rkey: "bare", record: {} } },
    { ...base, kind: "identity", identity: { did: base.did, seq: 5, time: "2026-01-01T00:00:00Z" } },
    { ...base, kind: "account", account: { did: base.did, active: true, time: "2026-01-01T00:00:00Z" }, seq: 9 },
    { ...base, kind: "sync", sync: { did: base.did, rev: "r" } },
  ];
  for (const [way, indexes] of WAYS) {
    await t.step(way, async () => {
      using folder = tempFolder();
      await using sink = await sqliteSink({ path: `${folder.path}/x.db`, indexes });
      await put(sink, [...events, labelEvent("at://x", "2026-01-01T00:00:00Z")]);
      const { items, since } = await sink.recall(EPOCH_US, 100);
      assert.deepEqual(keys(items), keys(events));
      assert.equal(since, EPOCH_US - 1);
      assert.deepEqual(items.find((event) => event.seq === 77), {
        ...events[2],
        commit: (({ record: _, ...rest }) => rest)((events[2] as CommitEvent).commit),
      });
      assert.deepEqual(items.find((event) => event.kind === "identity"), events.find((e) => e.kind === "identity"));
    });
  }
});

Deno.test("recall says from which time on it is complete", async (t) => {
  for (const [way, indexes] of WAYS) {
    await t.step(way, async () => {
      using folder = tempFolder();
      await using sink = await sqliteSink({ path: `${folder.path}/x.db`, indexes });
      const events = commitEvents(1_000);
      // Two that are late, one of them far.
      events.splice(900, 0, commitEvent(2_001, {}, EPOCH_US + 100), commitEvent(2_002, {}, events[950]!.time_us));
      await put(sink, events);
      for (
        const [from, limit] of [[EPOCH_US, 5_000], [events[500]!.time_us, 5_000], [EPOCH_US, 100], [
          EPOCH_US,
          40,
        ]] as const
      ) {
        const { items, since } = await sink.recall(from, limit);
        assert(items.length <= limit);
        const newer = events.filter((event) => event.time_us > since);
        assert.deepEqual(keys(items.filter((event) => event.time_us > since)), keys(newer));
        if (limit === 5_000) assert.equal(since, from - 1);
        else assert(newer.length > limit / 3, `only ${newer.length} are known for sure`);
      }
      assert.deepEqual(await sink.recall(EPOCH_US * 2, 10), { items: [], since: EPOCH_US * 2 - 1 });
    });
  }
});

Deno.test("recall without an index stops after 5,000 older rows in a row", async () => {
  using folder = tempFolder();
  await using sink = await sqliteSink({ path: `${folder.path}/x.db`, indexes: [] });
  const recent = (i: number) => commitEvent(i, {}, EPOCH_US * 2);
  await put(sink, [recent(1), ...commitEvents(5_000, 10), recent(2), ...commitEvents(4_999, 6_000)]);
  const { items } = await sink.recall(EPOCH_US * 2, 100);
  assert.deepEqual(keys(items), keys([recent(2)]));
});

Deno.test("recall of an empty log is complete", async () => {
  using folder = tempFolder();
  await using sink = await sqliteSink({ path: `${folder.path}/x.db` });
  assert.deepEqual(await sink.recall(5, 10), { items: [], since: 4 });
});

for (const json of ['{"did":"did:plc:a","ti', '{"kind":"identity"}', "[]", "null"]) {
  Deno.test(`an event that nobody can have written is said to be damaged: ${json} (found by the fuzzer)`, async () => {
    using folder = tempFolder();
    const path = `${folder.path}/x.db`;
    const event: AtEvent = {
      did: "did:plc:a",
      time_us: EPOCH_US,
      origin: ORIGIN,
      kind: "identity",
      identity: { did: "did:plc:a", seq: 5, time: "2026-01-01T00:00:00Z" },
    };
    await using sink = await sqliteSink({ path });
    await put(sink, [commitEvent(1), event]);
    {
      using db = new DatabaseSync(path);
      db.prepare("UPDATE events SET json = ? WHERE kind = 'identity'").run(json);
    }
    const words = /Error: Cannot (use|write to) .*x\.db: row 2 is damaged: /;
    await assert.rejects(sink.recall(0, 100), (error) => error instanceof ConfigError && words.test(`${error}`));
    const held = sink.known([event], 1e9);
    await assert.rejects(Promise.resolve(held), (error) => error instanceof FatalError && words.test(`${error}`));
  });
}
