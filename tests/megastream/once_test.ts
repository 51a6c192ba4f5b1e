import assert from "node:assert/strict";
import {
  copyFixtures,
  deadRows,
  FIXTURES,
  golden,
  type GoldenRow,
  megastream,
  readState,
  spoilFiles,
  statePath,
} from "../support/megastream.ts";
import { readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

const ROWS = golden<GoldenRow>("golden_rows.ndjson");
const FILES = [...new Set(ROWS.map(({ file }) => file))];
/** The one file that has no rows. */
const EMPTY = "mega_jetstream_20251021_074500.db.zip";

/** How often each text is there. */
function counted(texts: Iterable<string | undefined>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) if (text !== undefined) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

const what = (kind: GoldenRow["what"]) => ROWS.filter((row) => row.what === kind).length;

/** What is stored, in the words of the golden file. */
function stored(db: string): GoldenRow[] {
  return readBack<{ json: string }>(db, "SELECT json FROM events ORDER BY position").map(({ json }) => {
    const { kind, commit, enriched } = JSON.parse(json);
    const { reply } = commit?.record ?? {};
    const isReply = [reply?.root?.uri, reply?.parent?.uri, enriched.root, enriched.parent].some((uri) => uri);
    const what = kind === "account"
      ? "account_deletion"
      : commit.operation === "delete"
      ? "delete"
      : isReply
      ? "reply"
      : "post";
    return { file: enriched.file, row: enriched.row, what };
  });
}

/** All of a database, as its own reader prints it. */
function dump(db: string): unknown[] {
  return ["events", "origins", "cursors", "gaps"].map((table) => readBack(db, `SELECT * FROM ${table} ORDER BY 1`));
}

Deno.test("once, a folder into SQLite with no other set-up: every row is where the golden file says", () =>
  inFolder(async (folder) => {
    const db = `${folder}/bskyingest.db`;
    const summary = await megastream(folder, ["--mode", "once"], 3, { LOCAL_SQLITE_DB_PATH: FIXTURES });

    assert.deepEqual(stored(db), ROWS.filter((row) => row.what).map(({ file, row, what }) => ({ file, row, what })));
    const dead = ROWS.filter(({ reject }) => reject).map(({ file, row, reject }) => [file, row, reject, "source"]);
    assert.deepEqual(deadRows(folder).map(({ file, row, reason, stage }) => [file, row, reason, stage]), dead);

    const files = { eligible: 16, processed: 16, failed: 0, partial: 0, ignored: 0, not_ready: 0 };
    assert.deepEqual(summary.files, files);
    const { rows, posts, replies, deletes, account_deletions } = summary;
    assert.deepEqual({ rows, posts, replies, deletes, account_deletions }, {
      rows: ROWS.length,
      posts: what("post"),
      replies: what("reply"),
      deletes: what("delete"),
      account_deletions: what("account_deletion"),
    });
    assert.deepEqual(summary.skipped, counted(ROWS.map(({ skip }) => skip)));
    assert.deepEqual(summary.rejected_rows, counted(ROWS.map(({ reject }) => reject)));
    assert.equal(summary.bad_inferences, ROWS.filter(({ bad_inferences }) => bad_inferences).length);
    const { received, written, filtered, duplicates, dead_lettered, ended_by, error } = summary;
    assert.deepEqual({ received, written, filtered, duplicates, dead_lettered, ended_by, error }, {
      received: ROWS.length,
      written: ROWS.filter((row) => row.what).length,
      filtered: ROWS.filter(({ skip }) => skip).length,
      duplicates: 0,
      dead_lettered: dead.length,
      ended_by: "source",
      error: null,
    });

    const counts = (file: string, has: keyof GoldenRow) =>
      ROWS.filter((row) => row.file === file && row[has] !== undefined).length;
    const entries = readState(statePath(folder)).map((
      { filename, status, attempts, rows, rejected, skipped, size },
    ) => ({ filename, status, attempts, rows, rejected, skipped, size }));
    const expected = [...FILES, EMPTY].map((filename) => ({
      filename,
      status: "processed",
      attempts: 1,
      rows: counts(filename, "row"),
      rejected: counts(filename, "reject"),
      skipped: counts(filename, "skip"),
      size: Deno.statSync(`${FIXTURES}/${filename}`).size,
    })).sort((a, b) => a.filename < b.filename ? -1 : 1);
    assert.deepEqual(entries.toSorted((a, b) => a.filename < b.filename ? -1 : 1), expected);
    assert.equal(Deno.statSync(statePath(folder)).mode! & 0o777, 0o600);
  }));

Deno.test("M46: a second run writes nothing, opens no file and changes nothing", () =>
  inFolder(async (folder) => {
    const db = `${folder}/bskyingest.db`, state = statePath(folder);
    copyFixtures(`${folder}/files`);
    const first = await megastream(folder, ["--path", "files"], 3);
    const before = { db: dump(db), state: Deno.readTextFileSync(state), dead: deadRows(folder) };
    assert.equal(spoilFiles(`${folder}/files`), 16);

    const { files, written, received, rows, ...second } = await megastream(folder, ["--path", "files"]);
    assert.deepEqual(files, { eligible: 0, processed: 0, failed: 0, partial: 0, ignored: 0, not_ready: 0 });
    assert.deepEqual([received, written, rows, second.dead_lettered], [0, 0, 0, 0]);
    assert.deepEqual({ db: dump(db), state: Deno.readTextFileSync(state), dead: deadRows(folder) }, before);

    // The database knows by itself what is in it.
    Deno.removeSync(state);
    const third = await megastream(folder, ["--path", "files"]);
    assert.deepEqual([third.files.processed, third.written, third.rows], [first.files.processed, 0, 0]);
    assert.deepEqual(dump(db), before.db);
  }));

Deno.test("M46: files that are opened after all are found bad: the test above can fail", () =>
  inFolder(async (folder) => {
    copyFixtures(`${folder}/files`);
    spoilFiles(`${folder}/files`);
    const { files } = await megastream(folder, ["--path", "files"], 3);
    assert.deepEqual([files.processed, files.failed], [0, 16]);
  }));
