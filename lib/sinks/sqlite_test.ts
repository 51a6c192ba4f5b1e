import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { realTest } from "../../tests/support/real_data.ts";
import { commitEvent, commitEvents, ORIGIN, put, readBack, readBackTest, v1Event } from "../../tests/support/sqlite.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { type AnyEvent, toJson } from "../atproto/event.ts";
import type { Gap } from "../pipeline/batch.ts";
import { ConfigError, PoisonError, TransientError } from "../pipeline/errors.ts";
import { listCursors } from "../state/cursors_table.ts";
import { listGaps } from "../state/gaps.ts";
import { readSqlitePosition, sqliteSink } from "./sqlite.ts";

/** The names in the folder. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

const GAP: Gap = {
  source: "jetstream",
  host: "h",
  unit: "us",
  from: 1,
  to: undefined,
  reason: "clamped",
  state: "open",
};

const SCHEMA = [
  "CREATE TABLE events ( position INTEGER PRIMARY KEY, did TEXT NOT NULL, time_us INTEGER NOT NULL, kind TEXT NOT NULL, " +
  "collection TEXT, operation TEXT, rkey TEXT, rev TEXT, cid TEXT, seq INTEGER, origin INTEGER NOT NULL, json TEXT NOT NULL ) STRICT",
  "CREATE INDEX events_time ON events(time_us)",
  "CREATE INDEX events_changed ON events(did, collection, rkey) WHERE operation <> 'create'",
  "CREATE TABLE origins (id INTEGER PRIMARY KEY, source TEXT NOT NULL, wire TEXT NOT NULL, host TEXT NOT NULL, " +
  "UNIQUE (source, wire, host)) STRICT",
  "CREATE TABLE cursors (key TEXT PRIMARY KEY, cursor TEXT NOT NULL, state TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT",
  "CREATE TABLE gaps ( id INTEGER PRIMARY KEY, key TEXT NOT NULL, source TEXT NOT NULL, host TEXT NOT NULL, unit TEXT NOT NULL, " +
  "from_pos INTEGER, to_pos INTEGER, reason TEXT NOT NULL, detail TEXT, opened_at TEXT NOT NULL, " +
  "state TEXT NOT NULL DEFAULT 'open', closed_at TEXT ) STRICT",
];

realTest("S1, S2: the real events are there line by line, byte for byte", ["expected_v1.jsonl"], async ([file]) => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  const lines = Deno.readTextFileSync(file!).trimEnd().split("\n");
  {
    await using sink = await sqliteSink({ path });
    for (let i = 0; i < lines.length; i += 25) {
      await put(sink, lines.slice(i, i + 25).map((line) => v1Event(line)), { cursor: String(i) });
    }
  }
  const rows = readBack(path, "SELECT * FROM events ORDER BY position");
  assert.deepEqual(rows.map((row) => row.position), lines.map((_, i) => i + 1));
  assert.deepEqual(rows.map((row) => row.json), lines);
  for (const number of [1, 151, 152]) {
    const { did, time_us, kind, commit } = JSON.parse(lines[number - 1]!);
    assert.equal(kind, number === 1 ? "commit" : number === 151 ? "identity" : "account");
    const { collection = null, operation = null, rkey = null, rev = null, cid = null } = commit ?? {};
    const { json: _, ...row } = rows[number - 1]!;
    const expected = {
      position: number,
      did,
      time_us,
      kind,
      collection,
      operation,
      rkey,
      rev,
      cid,
      seq: null,
      origin: 1,
    };
    assert.deepEqual(row, expected);
  }
  assert.deepEqual(readBack(path, "SELECT source, wire, host FROM origins"), [{ ...ORIGIN }]);
  const objects = readBack(path, "SELECT sql FROM sqlite_master WHERE type <> 'view' AND sql IS NOT NULL");
  const plain = objects.map((row) => (row.sql as string).replaceAll(/ *--.*$/gm, "").replaceAll(/\s+/g, " "));
  assert.deepEqual(plain, SCHEMA);
});

readBackTest("rows, cursor and gaps of a batch are one transaction", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path, maxTextBytes: 100_000, now: () => Date.parse("2026-01-02T03:04:05Z") });
  await put(sink, commitEvents(25), { cursor: "25", gaps: [GAP] });
  assert.equal(await sink.checkpoints.load("jetstream"), "25");
  assert.equal(await sink.checkpoints.load("other"), undefined);
  const huge = commitEvent(30, { record: { text: "x".repeat(200_000) } });
  const batch = [...commitEvents(14, 26), huge, commitEvent(40), { ...huge, did: "did:plc:second" }];
  const later = { cursor: "40", gaps: [{ ...GAP, from: 2 }] };
  const { rejected } = await put(sink, batch, later);
  assert.deepEqual(rejected.map((one) => one.index), [14, 16]);
  for (const { error } of rejected) assert(error instanceof PoisonError && error.reason === "too_large");
  assert.deepEqual(readBack(path, "SELECT count(*) AS n FROM events"), [{ n: 25 }]);
  assert.equal(await sink.checkpoints.load("jetstream"), "25");
  assert.equal(listGaps(path).length, 1);
  await put(sink, batch.filter((event) => (event as AnyEvent) !== huge && event.did !== "did:plc:second"), later);
  assert.deepEqual(readBack(path, "SELECT count(*) AS n, max(position) AS last FROM events"), [{ n: 40, last: 40 }]);
  assert.deepEqual(listGaps(path).map((gap) => [gap.key, gap.from]), [["jetstream", 1], ["jetstream", 2]]);
  assert.deepEqual(listCursors(path), [
    { key: "jetstream", cursor: "40", state: "running", updated_at: "2026-01-02T03:04:05.000Z" },
  ]);
});

Deno.test("an origin of a batch that was taken back is added again by the next", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path, maxTextBytes: 100_000 });
  const { rejected } = await put(sink, [commitEvent(1), commitEvent(2, { rkey: "x".repeat(200_000) })]);
  assert.equal(rejected.length, 1);
  await put(sink, [commitEvent(1)]);
  assert.deepEqual(readBack(path, "SELECT o.host FROM events e JOIN origins o ON o.id = e.origin"), [{
    host: ORIGIN.host,
  }]);
});

Deno.test("an event that no column takes is refused alone", async () => {
  using folder = tempFolder();
  await using sink = await sqliteSink({ path: `${folder.path}/x.db` });
  const { rejected } = await put(sink, [
    ...commitEvents(12),
    commitEvent(13, {}, Number.NaN),
    commitEvent(14, {}, 1.5),
  ]);
  assert.deepEqual(rejected.map(({ index, error }) => [index, (error as PoisonError).reason]), [
    [12, "constraint"],
    [13, "constraint"],
  ]);
});

Deno.test("the state of a position says whether its source had come to its end", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  await put(sink, commitEvents(1), { cursor: "1", key: "a", end: true });
  await put(sink, [], { cursor: "2", key: "b" });
  await sink.checkpoints.save("c", "3");
  await sink.checkpoints.save("d", "4", true);
  assert.deepEqual(listCursors(path).map((row) => [row.key, row.cursor, row.state]), [
    ["a", "1", "done"],
    ["b", "2", "running"],
    ["c", "3", "running"],
    ["d", "4", "done"],
  ]);
  assert.equal(readSqlitePosition(path, "b"), "2");
});

readBackTest("S16: a clean stop leaves one file, and stopping twice is one stop", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  const sink = await sqliteSink({ path });
  await put(sink, commitEvents(10), { cursor: "10" });
  assert.deepEqual(names(folder.path), ["x.db", "x.db-shm", "x.db-wal"]);
  await sink[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
  assert.deepEqual(names(folder.path), ["x.db"]);
  assert.deepEqual(readBack(path, "SELECT count(*) AS n FROM events"), [{ n: 10 }]);
});

readBackTest("S18: copies from two relays differ in their origin alone", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  const [a, b] = ["a.test", "b.test"].map((host) =>
    Object.freeze({ source: "firehose", wire: "relay" as const, host })
  );
  const from = (origin: typeof a) => commitEvents(15).map((event) => ({ ...event, origin: origin! }));
  await put(sink, from(a));
  await put(sink, from(b).flatMap((event, i) => [event, from(a)[i]!]).filter((_, i) => i % 2 === 0));
  const sql =
    "SELECT host, count(*) AS n, count(DISTINCT rkey) AS rkeys FROM events JOIN origins ON id = origin GROUP BY host";
  assert.deepEqual(readBack(path, sql), [{ host: "a.test", n: 15, rkeys: 15 }, { host: "b.test", n: 15, rkeys: 15 }]);
});

readBackTest("S20: SQL, NUL and newlines in names are text", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  await using sink = await sqliteSink({ path });
  const collection = "x'; drop table events; --";
  const events = [commitEvent(1, { collection }), commitEvent(2, { rkey: "a\0b\nc" })];
  await put(sink, events);
  const rows = readBack(path, "SELECT collection, hex(rkey) AS rkey, json FROM events ORDER BY position");
  assert.equal(rows[0]!.collection, collection);
  assert.equal(rows[1]!.rkey, "6100620A63");
  assert.deepEqual(rows.map((row) => row.json), events.map(toJson));
});

Deno.test("a file that is removed or replaced during the run ends it", async (t) => {
  for (const replaced of [false, true]) {
    await t.step(replaced ? "replaced" : "removed", async () => {
      using folder = tempFolder();
      const path = `${folder.path}/x.db`;
      let now = 0;
      const sink = await sqliteSink({ path, now: () => now });
      await put(sink, commitEvents(1), { cursor: "1" });
      Deno.renameSync(path, `${folder.path}/moved.db`);
      if (replaced) Deno.writeTextFileSync(path, "");
      await put(sink, commitEvents(1, 2), { cursor: "2" });
      now += 10_000;
      const gone = replaced ? /replaced by another file during the run/ : /was removed during the run/;
      await assert.rejects(put(sink, commitEvents(1, 3), { cursor: "3" }), gone);
      await assert.rejects(async () => await sink[Symbol.asyncDispose](), gone);
      assert.equal(readSqlitePosition(`${folder.path}/moved.db`, "jetstream"), "2");
    });
  }
});

Deno.test("S19: damage that is met while running is an error with the way out, and no new file", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  const sink = await sqliteSink({ path, indexes: ["collection"] });
  const many = () => Array.from({ length: 2_000 }, (_, i) => commitEvent(i, { collection: `c${i % 97}` }));
  await put(sink, many(), { cursor: "1" });
  await sink[Symbol.asyncDispose]();
  const broken = await sqliteSink({ path });
  Deno.writeFileSync(path, Deno.readFileSync(path).fill(0, 4096)); // all but the first page, which holds the schema
  {
    using other = new DatabaseSync(path);
    other.exec("PRAGMA user_version = 0"); // another program's commit: what the sink holds in memory counts no more
  }
  try {
    await assert.rejects(put(broken, many(), { cursor: "2" }), (error) => {
      assert(error instanceof Error && !(error instanceof ConfigError) && !(error instanceof TransientError));
      assert.match(error.message, /malformed\. Save what can be read: sqlite3 .*x\.db \.recover$/);
      return true;
    });
  } finally {
    await broken[Symbol.asyncDispose]();
  }
});

readBackTest("a dry run reads a position without making or changing a file", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  assert.equal(readSqlitePosition(path, "jetstream"), undefined);
  assert.deepEqual(names(folder.path), []);
  const sink = await sqliteSink({ path });
  await put(sink, commitEvents(1), { cursor: "1" });
  assert.equal(readSqlitePosition(path, "jetstream"), "1");
  await sink[Symbol.asyncDispose]();
  const before = Deno.readFileSync(path);
  assert.equal(readSqlitePosition(path, "jetstream"), "1");
  assert.deepEqual(names(folder.path), ["x.db"]);
  assert.deepEqual(Deno.readFileSync(path), before);
  Deno.writeTextFileSync(path, "garbage ".repeat(1000));
  assert.throws(() => readSqlitePosition(path, "jetstream"), ConfigError);
});
