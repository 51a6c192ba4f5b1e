import assert from "node:assert/strict";
import { TransientError } from "../../lib/pipeline/errors.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { diskTest } from "../support/small_disk.ts";
import { commitEvents, put, readBack } from "../support/sqlite.ts";

/** Size of the file systems, in MiB. */
const DISK = 4;

/** Leaves `bytes` of the disk free. */
function fill(path: string, bytes: number): void {
  Deno.writeFileSync(path, new Uint8Array(DISK * 2 ** 20 - bytes));
}

diskTest(
  "S10: a full disk is transient; with space again the same batch goes in, complete and exact",
  DISK,
  async (folder) => {
    const path = `${folder}/x.db`;
    const ballast = `${folder}/ballast`;
    fill(ballast, 2 ** 20);
    let failures = 0;
    {
      await using sink = await sqliteSink({ path });
      for (let done = 0; done < 3_000; done += 250) {
        const write = () => put(sink, commitEvents(250, done + 1), { cursor: String(done + 250) });
        const error = await write().then(() => undefined, (error) => error);
        if (!error) continue;
        assert(error instanceof TransientError, `expected a TransientError, not ${error}`);
        assert.match(error.message, /disk is full|disk I\/O error/);
        failures++;
        assert.equal(await sink.checkpoints.load("jetstream"), done === 0 ? undefined : String(done));
        await assert.rejects(write(), TransientError);
        Deno.removeSync(ballast);
        await write();
      }
    }
    assert.equal(failures, 1);
    assert.deepEqual(
      readBack(
        path,
        "SELECT count(*) AS n, max(position) AS last, count(DISTINCT did) AS dids, (SELECT cursor FROM cursors) AS c FROM events",
      ),
      [{ n: 3_000, last: 3_000, dids: 3_000, c: "3000" }],
    );
  },
);

diskTest("a disk that is full while the file is made ends the start", DISK, async (folder) => {
  fill(`${folder}/ballast`, 8_192);
  await assert.rejects(sqliteSink({ path: `${folder}/x.db` }), /^ConfigError: Cannot open .*x\.db: /);
});

diskTest("gaps wait for space too", DISK, async (folder) => {
  const path = `${folder}/gaps.db`;
  using store = openGapStore(path);
  const gap = { source: "s", host: "h", unit: "us", from: 1, to: 2, reason: "clamped", state: "open" } as const;
  fill(`${folder}/ballast`, 4_096);
  await assert.rejects(store.record("k", [gap]), TransientError);
  Deno.removeSync(`${folder}/ballast`);
  assert.equal(await store.record("k", [gap]), 1);
});
