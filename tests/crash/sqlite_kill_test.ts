import assert from "node:assert/strict";
import { listCursors } from "../../lib/state/cursors_table.ts";
import { ROOT } from "../support/paths.ts";
import { readBack, readBackTest } from "../support/sqlite.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { tempFolder } from "../support/temp.ts";

const KILLS = 50;
const TOTAL = 200_000;
/** What a batch of the writer has on average. */
const BATCH = 200;

function spawn(...args: string[]): Deno.ChildProcess {
  const script = `${ROOT}/tests/crash/sqlite_writer.ts`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, script, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Lets the writer print `lines` lines and `ms` milliseconds more, then kills it. Gives back whether it was still at work. */
async function killAfter(child: Deno.ChildProcess, lines: number, ms: number): Promise<boolean> {
  let seen = 0;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    seen += text.split("\n").length - 1;
    if (seen >= lines) break;
  }
  await new Promise((resolve) => setTimeout(resolve, ms));
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended already
  }
  return (await child.status).signal === "SIGKILL";
}

const STATE_SQL = `SELECT count(*) AS n, ifnull(max(position), 0) AS last, count(DISTINCT did) AS dids,
  ifnull((SELECT cursor FROM cursors), 0) AS cursor, (SELECT count(*) FROM gaps WHERE from_pos >= (SELECT cursor FROM cursors)) AS early
  FROM events`;

/** Rows, positions, cursor and gaps must tell the same. */
function assertWhole(path: string, context: string): number {
  const [row] = readBack(path, STATE_SQL);
  const { n, last, dids, cursor, early } = row!;
  assert.deepEqual({ last, dids, cursor: Number(cursor), early }, { last: n, dids: n, cursor: n, early: 0 }, context);
  return n as number;
}

readBackTest(`S6: ${KILLS} times kill -9 while ${TOTAL} events are written lose and double nothing`, async () => {
  const start = startNumber("S6");
  const random = randomFrom(start);
  using folder = tempFolder();
  const path = `${folder.path}/x.db`;
  let killed = 0;
  let checked = 0;
  while (killed < KILLS) {
    const lines = Math.floor(random() * 1.4 * TOTAL / KILLS / BATCH);
    killed += Number(await killAfter(spawn(path, String(TOTAL)), lines, random() * 6));
    const context = `BSKYINGEST_SEED=${start}, kill ${killed}`;
    if (killed % 10 === 0) checked = assertWhole(path, context);
    assert(checked < TOTAL, `${context}: all was written before the last kill`);
  }
  const { code } = await spawn(path, String(TOTAL)).output();
  assert.equal(code, 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map((entry) => entry.name), ["x.db"]);
  assert.equal(assertWhole(path, `BSKYINGEST_SEED=${start}, at the end`), TOTAL);
  assert.equal(listCursors(path)[0]?.state, "done");
});

readBackTest(
  "S7, S16: a kill before any statement of a transaction leaves rows, cursor and gaps in agreement",
  async () => {
    const left: number[] = [];
    for (let statement = 1;; statement++) {
      using folder = tempFolder();
      const path = `${folder.path}/x.db`;
      const { signal, code } = await spawn(path, "800", String(statement)).output();
      const rows = assertWhole(path, `killed before statement ${statement}`);
      if (signal === null) {
        assert.equal(code, 0);
        assert.equal(rows, 800);
        break;
      }
      assert.equal(signal, "SIGKILL");
      assert(rows > 0, "the first batch is there");
      left.push(rows);
    }
    assert(left.length > 10, `only ${left.length} moments`);
  },
);
