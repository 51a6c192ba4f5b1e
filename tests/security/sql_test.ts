import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Gap } from "../../lib/pipeline/batch.ts";
import { openQueue } from "../../lib/sinks/queue.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { openStore } from "../../lib/sinks/webhook/store.ts";
import { listGaps, openGapStore } from "../../lib/state/gaps.ts";
import { commitEvent, labelEvent, ORIGIN, put, readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

/** What somebody would write who hopes that it ends up in SQL. */
const HOSTILE = `x'); DROP TABLE events; --" OR 1=1 \`; marker`;

const origin = { ...ORIGIN, host: HOSTILE };
const events: AnyEvent[] = [
  {
    ...commitEvent(1, { collection: HOSTILE, rkey: HOSTILE, rev: HOSTILE, cid: HOSTILE, record: { text: HOSTILE } }),
    did: HOSTILE,
    origin,
  },
  { ...labelEvent(HOSTILE, "2026-01-01T00:00:00Z", { src: HOSTILE, val: HOSTILE }), origin },
  { did: HOSTILE, time_us: 1, kind: "identity", origin, identity: { did: HOSTILE, handle: HOSTILE } },
];
const gap: Gap = {
  ...{ source: HOSTILE, host: HOSTILE, unit: "seq", from: 1, to: 2, state: "open" },
  ...{ reason: HOSTILE, detail: HOSTILE },
};
const position = { key: HOSTILE, cursor: HOSTILE };

/** Everything that any database of this process is asked while `work` runs. */
async function sqlOf(work: () => Promise<void>): Promise<string[]> {
  const texts: string[] = [];
  const { prepare, exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    texts.push(sql);
    return prepare.call(this, sql, ...rest);
  };
  DatabaseSync.prototype.exec = function (sql) {
    texts.push(sql);
    return exec.call(this, sql);
  };
  try {
    await work();
    return texts;
  } finally {
    Object.assign(DatabaseSync.prototype, { prepare, exec });
  }
}

const STORES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  async "the database of events"(path) {
    {
      await using sink = await sqliteSink({ path });
      await put(sink, events, { ...position, gaps: [gap] });
      assert.equal(await sink.checkpoints.load(HOSTILE), HOSTILE);
    }
    const [row] = readBack(path, "SELECT did, collection, rkey FROM events LIMIT 1");
    assert.deepEqual({ ...row }, { did: HOSTILE, collection: HOSTILE, rkey: HOSTILE });
    assert.equal(listGaps(path)[0]!.detail, HOSTILE);
  },
  async "the queue"(file) {
    await using queue = await openQueue(file, { create: true });
    await queue.put(events, position);
    const [row] = await queue.take({ consumer: HOSTILE });
    assert(row);
    await queue.fail([row.receipt], HOSTILE);
    await assert.rejects(queue.fail([HOSTILE]), { name: "ConfigError" });
    assert.equal((await queue.list()).length, 1);
    await queue.stats();
    assert.equal(queue.position(HOSTILE), HOSTILE);
  },
  async "the webhook queue"(file) {
    using store = await openStore(file, { ordered: true, now: Date.now });
    const body = new TextEncoder().encode(HOSTILE);
    const [request] = await store.add(
      [{ body, keys: [HOSTILE], accounts: [HOSTILE] }],
      { ...position, end: false },
      {},
    );
    await store.save({ endpoint: HOSTILE, failed: [request!] });
    assert.deepEqual(store.read(request!.id).keys, [HOSTILE]);
    assert.equal(store.endpoint(), HOSTILE);
  },
  async "the gap ledger"(path) {
    using gaps = openGapStore(path);
    await gaps.record(HOSTILE, [gap]);
    assert.equal(listGaps(path)[0]!.reason, HOSTILE);
  },
};

for (const [what, use] of Object.entries(STORES)) {
  Deno.test(`SQL is the program's alone: what events, servers and consumers say is bound, in ${what}`, () =>
    inFolder(async (folder) => {
      const texts = await sqlOf(() => use(`${folder}/x.db`));
      assert(texts.some((sql) => /INSERT/.test(sql)));
      assert.deepEqual(texts.filter((sql) => sql.includes("marker")), []);
    }));
}
