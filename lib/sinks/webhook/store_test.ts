import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { inFolder } from "../../../tests/support/temp.ts";
import { eventOf, eventsFrom } from "../../../tests/support/webhook_run.ts";
import { ConfigError, FatalError } from "../../pipeline/errors.ts";
import { piecesOf, requestsOf, textsOf } from "./requests.ts";
import { openStore } from "./store.ts";

const options = { ordered: true, now: () => 1000 };
const arrays = (first: number, count: number, batch: number) =>
  requestsOf(eventsFrom(first, count), { batch, ordered: true });

Deno.test("a request owns as many numbers as it has events, so that its parts keep its place", () =>
  inFolder(async (folder) => {
    using store = await openStore(`${folder}/q.db`, options);
    const added = await store.add(arrays(0, 10, 5), undefined, {});
    await store.add(arrays(10, 5, 5), undefined, {});
    assert.deepEqual([added.map(({ id, count }) => [id, count]), store.nextId(), store.count()], [
      [[1, 5], [6, 5]],
      16,
      15,
    ]);
    const failed = { ...added[0]!, attempts: 2, notBefore: 5000, firstAttemptAt: 900 };
    const parts = await store.replace(failed, piecesOf(failed.content!, 3));
    assert.deepEqual(parts.map(({ id, count, attempts }) => [id, count, attempts]), [[1, 3, 2], [4, 2, 2]]);
    const loaded = store.load(0, 100);
    assert.deepEqual(loaded.map(({ id }) => id), [1, 4, 6, 11]);
    assert.deepEqual(loaded.slice(0, 2).map(({ content, firstAttemptAt }) => [content, firstAttemptAt]), [
      [undefined, 900],
      [undefined, 900],
    ]);
    assert.deepEqual(textsOf(store.read(4)).length, 2);
    assert.deepEqual(store.load(0, 4).map(({ id }) => id), [1, 4], "about so many events");
    assert.deepEqual(store.load(6, 1).map(({ id }) => id), [6]);
  }));

Deno.test("what has become of requests is written together with the position", () =>
  inFolder(async (folder) => {
    const file = `${folder}/q.db`;
    {
      using store = await openStore(file, options);
      const [first, second] = await store.add(
        requestsOf([eventOf(1), eventOf(2)], { batch: 1, ordered: true }),
        undefined,
        {},
      );
      const change = { gone: [first!.id], failed: [{ ...second!, deferrals: 3, notBefore: 77 }], endpoint: '{"a":1}' };
      await store.add([], { key: "k", cursor: "c", end: true }, change);
    }
    using store = await openStore(file, options);
    const [left, ...others] = store.load(0, 100);
    assert.deepEqual([left!.id, left!.deferrals, left!.notBefore, others], [2, 3, 77, []]);
    assert.deepEqual([store.cursors.load("k"), store.cursors.ended("k"), store.endpoint()], ["c", true, '{"a":1}']);
    assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  }));

for (
  const [what, sql, message] of [
    ["a row without events", "UPDATE requests SET events = 0 WHERE id = 2", /Cannot read row 2 of .*it is damaged/],
    [
      "a row that counts wrongly",
      "UPDATE requests SET events = 7 WHERE id = 2",
      /Cannot read row 2 of .*it is damaged/,
    ],
    ["keys that are no list", "UPDATE requests SET keys = '[]x' WHERE id = 2", /Cannot read row 2 of .*it is damaged/],
    ["a number that is too large", "UPDATE requests SET events = 1 << 60 WHERE id = 2", /too large to be represented/],
    ["numbers that come again", "UPDATE delivery SET next_id = 1", /UNIQUE constraint failed.*\.recover$/],
  ] as const
) {
  Deno.test(`a damaged file ends the run with words, not as a bug, nor never: ${what} (found by the fuzzer)`, () =>
    inFolder(async (folder) => {
      const file = `${folder}/q.db`;
      const requests = requestsOf([eventOf(1), eventOf(2)], { batch: 1, ordered: true });
      {
        using store = await openStore(file, options);
        await store.add(requests, undefined, {});
      }
      {
        using db = new DatabaseSync(file);
        db.exec(sql);
      }
      using store = await openStore(file, options);
      await assert.rejects(
        async () => {
          store.load(0, 100);
          store.read(2);
          await store.add(requests, undefined, {});
        },
        (error) => error instanceof FatalError && message.test(error.message),
      );
    }));
}

for (const sql of ["DELETE FROM delivery", "UPDATE delivery SET endpoint = '{'"]) {
  Deno.test(`a damaged file is refused: ${sql} (found by the fuzzer)`, () =>
    inFolder(async (folder) => {
      const file = `${folder}/q.db`;
      (await openStore(file, options))[Symbol.dispose]();
      {
        using db = new DatabaseSync(file);
        db.exec(sql);
      }
      await assert.rejects(
        openStore(file, options),
        /^ConfigError: Cannot use .*: its table of the delivery is damaged/,
      );
    }));
}

Deno.test("other files, and those of a newer version, are refused and left alone", () =>
  inFolder(async (folder) => {
    const file = (name: string, sql: string) => {
      using db = new DatabaseSync(`${folder}/${name}`);
      db.exec(sql);
      return `${folder}/${name}`;
    };
    await Deno.writeTextFile(`${folder}/text.db`, "no database, but long enough to be looked at".repeat(20));
    (await openStore(`${folder}/newer.db`, options))[Symbol.dispose]();
    const cases: [file: string, message: RegExp][] = [
      [file("other.db", "CREATE TABLE events (a)"), /it is another file/],
      [file("newer.db", "PRAGMA user_version = 2"), /made by a newer bskyingest/],
      [`${folder}/text.db`, /not a database/],
      [`${folder}/missing/q.db`, /Cannot open/],
    ];
    for (const [path, message] of cases) {
      const before = await Deno.readFile(path).catch(() => undefined);
      await assert.rejects(openStore(path, options), (error) =>
        error instanceof ConfigError && message.test(error.message));
      assert.deepEqual(
        await Deno.readFile(path).catch(() =>
          undefined
        ),
        before,
      );
    }
  }));
