import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Gap } from "../pipeline/batch.ts";
import { ConfigError, TransientError } from "../pipeline/errors.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { acceptGaps, type GapRow, healGap, listGaps, openGapStore } from "./gaps.ts";

const GAP: Gap = {
  source: "jetstream",
  host: "a.test",
  unit: "us",
  from: 100,
  to: undefined,
  reason: "clamped",
  state: "open",
};
const T = Date.parse("2026-01-01T00:00:00Z");

const brief = (rows: readonly GapRow[]) => rows.map(({ id, from, to, state }) => [id, from, to, state]);

Deno.test("T19: a gap is a row with all that is known of it", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/state/gaps.db`;
  using store = openGapStore(path, { now: () => T });
  const gaps: Gap[] = [
    { ...GAP, to: 200, detail: "the server's words" },
    { ...GAP, from: undefined, unit: "file", reason: "file_vanished", detail: "x.db.zip" },
    { ...GAP, reason: "max_rewind", state: "accepted" },
  ];
  assert.equal(await store.record("jetstream", gaps), 3);
  const at = "2026-01-01T00:00:00.000Z";
  const row = { key: "jetstream", source: "jetstream", host: "a.test", opened_at: at };
  assert.deepEqual(listGaps(path, { all: true }), [
    {
      ...row,
      id: 1,
      unit: "us",
      from: 100,
      to: 200,
      reason: "clamped",
      detail: "the server's words",
      state: "open",
      closed_at: null,
    },
    {
      ...row,
      id: 2,
      unit: "file",
      from: null,
      to: null,
      reason: "file_vanished",
      detail: "x.db.zip",
      state: "open",
      closed_at: null,
    },
    {
      ...row,
      id: 3,
      unit: "us",
      from: 100,
      to: null,
      reason: "max_rewind",
      detail: null,
      state: "accepted",
      closed_at: at,
    },
  ]);
  assert.deepEqual(brief(listGaps(path)), [[1, 100, 200, "open"], [2, null, null, "open"]]);
  assert.deepEqual(listGaps(path, { key: "other" }), []);
});

Deno.test("T19: the same hole twice is one row, which learns its end", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  using store = openGapStore(path);
  assert.equal(await store.record("k", [GAP, GAP]), 1);
  assert.equal(await store.record("k", [{ ...GAP, to: 150 }]), 0);
  assert.equal(await store.record("k", [GAP]), 0);
  assert.deepEqual(brief(listGaps(path)), [[1, 100, 150, "open"]]);
  assert.equal(await store.record("k", [{ ...GAP, from: undefined }, { ...GAP, from: undefined }]), 1);
  assert.equal(await store.record("k", [{ ...GAP, host: "b" }, { ...GAP, reason: "reset" }, { ...GAP, from: 101 }]), 3);
  assert.equal(await store.record("k2", [GAP]), 1);
  assert.equal(await store.record("k", [{ ...GAP, state: "healed" }]), 0);
  const [first] = listGaps(path, { all: true });
  assert.deepEqual([first!.to, first!.state, first!.closed_at !== null], [150, "healed", true]);
  assert.equal(await store.record("k", [{ ...GAP, to: 999 }]), 0);
  assert.deepEqual(listGaps(path, { all: true })[0], first, "a closed row changes no more");
});

Deno.test("gaps are accepted by id; what is not open or not there is passed over", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  using store = openGapStore(path);
  await store.record("k", [GAP, { ...GAP, from: 1 }, { ...GAP, from: 2 }]);
  assert.deepEqual(await acceptGaps(path, [1, 3, 99], T), [1, 3]);
  assert.deepEqual(await acceptGaps(path, [1], T), []);
  assert.deepEqual(brief(listGaps(path)), [[2, 1, null, "open"]]);
  assert.deepEqual(listGaps(path, { all: true }).map((row) => row.closed_at), [
    "2026-01-01T00:00:00.000Z",
    null,
    "2026-01-01T00:00:00.000Z",
  ]);
});

Deno.test("T20: a gap that was read again is healed, or ends earlier, and never later", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  using store = openGapStore(path);
  await store.record("k", [{ ...GAP, to: 150 }, { ...GAP, from: 300, to: 400 }]);
  await healGap(path, 1, 120);
  await healGap(path, 1, 140);
  assert.deepEqual(brief(listGaps(path, { all: true })), [[1, 100, 120, "open"], [2, 300, 400, "open"]]);
  await healGap(path, 1, "healed", Date.UTC(2026, 0));
  await healGap(path, 1, 110);
  const [healed, other] = listGaps(path, { all: true });
  assert.deepEqual([healed!.to, healed!.state, healed!.closed_at], [120, "healed", "2026-01-01T00:00:00.000Z"]);
  assert.equal(other!.state, "open");
});

Deno.test("no file is made before there is a gap, and then for its owner alone", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/state/gaps.db`;
  assert.deepEqual(listGaps(path), []);
  assert.deepEqual(await acceptGaps(path, [1]), []);
  using store = openGapStore(path);
  assert.equal(await store.record("k", []), 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  await store.record("k", [GAP]);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.equal(Deno.statSync(`${folder.path}/state`).mode! & 0o777, 0o700);
  assert.deepEqual([...Deno.readDirSync(`${folder.path}/state`)].map((entry) => entry.name), ["gaps.db"]);
});

Deno.test("two runs record into one ledger at once", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  using a = openGapStore(path);
  using b = openGapStore(path);
  const many = Array.from({ length: 20 }, (_, i) => i);
  await Promise.all([a, b].flatMap((store, k) => many.map((from) => store.record(`k${k}`, [{ ...GAP, from }]))));
  assert.equal(listGaps(path).length, 40);
});

Deno.test("a ledger that is no database is refused and left alone", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  const text = "garbage ".repeat(1_000);
  Deno.writeTextFileSync(path, text);
  assert.throws(() => listGaps(path), ConfigError);
  await assert.rejects(acceptGaps(path, [1]), ConfigError);
  using store = openGapStore(path);
  await assert.rejects(store.record("k", [GAP]), ConfigError);
  assert.equal(Deno.readTextFileSync(path), text);
  using under = openGapStore(`${path}/gaps.db`);
  await assert.rejects(under.record("k", [GAP]), ConfigError);
});

Deno.test("recording waits for a lock until the run is aborted", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/gaps.db`;
  using store = openGapStore(path);
  await store.record("k", [GAP]);
  using other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  const signal = AbortSignal.timeout(120);
  const error = await store.record("k", [{ ...GAP, from: 5 }], { signal }).catch((error) => error);
  assert.equal(error, signal.reason);
  assert(!(error instanceof TransientError));
  other.exec("ROLLBACK");
  assert.deepEqual(brief(listGaps(path)), [[1, 100, null, "open"]]);
});
