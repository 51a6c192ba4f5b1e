import assert from "node:assert/strict";
import {
  FIXTURES,
  megastream,
  readState,
  rowsByFile,
  statePath,
  statuses,
  writeBadFile,
  writeFile,
} from "../support/megastream.ts";
import { assertCalm, fileExists, run } from "../support/program.ts";
import { diskTest, makeReadOnly } from "../support/small_disk.ts";
import { inFolder } from "../support/temp.ts";

interface BadFile {
  readonly code: string;
  /** Rows before the fault. */
  readonly rows: number;
  /** What it must not be larger than. */
  readonly max_db_bytes?: number;
}

const BAD: Record<string, BadFile> = JSON.parse(Deno.readTextFileSync(`${FIXTURES}/bad/golden.json`));
/** Of what `too_large` is about; all others are smaller. */
const CAP = String(BAD["too_large.db.zip"]!.max_db_bytes);

Deno.test("M40, M48: all kinds of bad files beside good ones: each is named with its code, the good ones are whole, exit 3", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`;
    const good = [writeFile(files, "07:00:00", 5), writeFile(files, "08:00:00", 7)];
    for (const name of Object.keys(BAD)) Deno.copyFileSync(`${FIXTURES}/bad/${name}`, `${files}/${name}`);
    const temp = `${folder}/temp`;
    Deno.mkdirSync(temp);
    const args = ["megastream", "--path", "files", "--max-db-bytes", CAP, "--temp-dir", temp];
    const end = await run(folder, args);
    assert.equal(end.code, 3, end.stderr.join("\n"));
    assertCalm(end);

    const entries = new Map(readState(statePath(folder)).map((entry) => [entry.filename, entry]));
    for (const [name, { code, rows }] of Object.entries(BAD)) {
      const { status, attempts, error, ...entry } = entries.get(name)!;
      assert.deepEqual({ status, attempts, rows: entry.rows }, { status: "failed", attempts: 1, rows }, name);
      assert.match(error!, new RegExp(`^${code}: .`), name);
      assert.equal(entry.cursor, rows === 0 ? undefined : rows, name);
      const lines = end.stderr.filter((line) => line.includes(`Cannot read ${name}: ${code}: `));
      assert.equal(lines.length, 1, name);
    }
    const expected = Object.entries(BAD).filter(([, { rows }]) => rows > 0).map(([name, { rows }]) => [name, rows]);
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), {
      [good[0]!]: 5,
      [good[1]!]: 7,
      ...Object.fromEntries(expected),
    });
    const text = end.stderr.join("\n");
    assert.match(text, /^files 2 of 27 processed, 25 failed$/m);
    assert.match(text, /^25 files failed, the oldest is \S+\.db\.zip: \w+: .* \(attempts 1\)$/m);
    assert.deepEqual([...Deno.readDirSync(temp)], [], "nothing is left of archives");
  }));

/** A bad file between two good ones. */
function threeFiles(folder: string): [string, string, string] {
  const files = `${folder}/files`;
  return [writeFile(files, "07:00:00"), writeBadFile(files, "07:05:00"), writeFile(files, "07:10:00")];
}

Deno.test("M48: skip: both good files processed, the bad one tried once a run until its attempts are used up", () =>
  inFolder(async (folder) => {
    const [first, bad, last] = threeFiles(folder);
    const path = ["--path", "files"], state = statePath(folder);
    for (const attempt of [1, 2, 3]) {
      const { files, written } = await megastream(folder, path, 3);
      const now = attempt === 1 ? 2 : 0;
      assert.deepEqual([files.eligible, files.processed, files.failed, written], [now + 1, now, 1, 3 * now]);
      assert.deepEqual(statuses(state), { [first]: "processed 1", [bad]: `failed ${attempt}`, [last]: "processed 1" });
    }
    const end = await run(folder, ["megastream", ...path]);
    assert.equal(end.code, 0);
    const text = end.stderr.join("\n");
    assert.match(
      text,
      new RegExp(`warning megastream: 1 bad files are not tried any more, the oldest is ${bad}: see --retry-failed`),
    );
    assert.match(text, new RegExp(`^1 files failed, the oldest is ${bad}: unknown_format: .* \\(attempts 3\\)$`, "m"));
    assert.equal(statuses(state)[bad], "failed 3");

    const { files } = await megastream(folder, [...path, "--retry-failed"], 3);
    assert.deepEqual([files.eligible, files.failed, statuses(state)[bad]], [1, 1, "failed 4"]);
    assert.equal((await megastream(folder, [...path, "--max-attempts", "5"], 3)).files.eligible, 1);
    assert.equal((await megastream(folder, [...path, "--max-attempts", "5"])).files.eligible, 0);
    assert.equal((await megastream(folder, [...path, "--max-attempts", "0"], 3)).files.eligible, 1);

    // A new file of the same name is another one.
    writeFile(`${folder}/files`, "07:05:00");
    assert.equal((await megastream(folder, path)).written, 3);
    assert.equal(statuses(state)[bad], "processed 1");
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [first]: 3, [bad]: 3, [last]: 3 });
  }));

Deno.test("M48: --on-bad-file fail: exit 1 at the first bad file, no later one is begun", () =>
  inFolder(async (folder) => {
    const [first, bad] = threeFiles(folder);
    const { error, written, files } = await megastream(folder, ["--path", "files", "--on-bad-file", "fail"], 1);
    assert.match(error!, new RegExp(`^Cannot go on with --on-bad-file fail: ${bad}: unknown_format: `));
    assert.deepEqual([written, files.eligible, files.processed, files.failed], [3, 3, 1, 1]);
    assert.deepEqual(statuses(statePath(folder)), { [first]: "processed 1", [bad]: "failed 1" });
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [first]: 3 });
  }));

Deno.test("M43: a corrupt page: the rows before it are there, later attempts go on behind them", () =>
  inFolder(async (folder) => {
    const name = "corrupt_page.db.zip", { rows } = BAD[name]!;
    Deno.mkdirSync(`${folder}/files`);
    Deno.copyFileSync(`${FIXTURES}/bad/${name}`, `${folder}/files/${name}`);
    for (const attempt of [1, 2]) {
      const { written, files } = await megastream(folder, ["--path", "files"], 3);
      assert.deepEqual([written, files.failed], [attempt === 1 ? rows : 0, 1]);
      const [{ status, attempts, cursor, rows: counted }] = readState(statePath(folder)) as [
        ReturnType<typeof readState>[0],
      ];
      assert.deepEqual({ status, attempts, cursor, counted }, {
        status: "failed",
        attempts: attempt,
        cursor: rows,
        counted: rows,
      });
    }
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [name]: rows });
  }));

Deno.test("M53: --delete-after removes what is processed and nothing else", () =>
  inFolder(async (folder) => {
    const [first, bad, last] = threeFiles(folder);
    const old = writeFile(`${folder}/files`, "06:00:00");
    const left = () => [...Deno.readDirSync(`${folder}/files`)].map(({ name }) => name).sort();
    const args = ["--path", "files", "--delete-after", "--since", "2025-10-21T06:30:00Z"];
    assert.equal((await run(folder, ["megastream", ...args, "--dry-run"])).code, 3);
    assert.deepEqual(left(), [old, first, bad, last], "not in a dry run");
    const { files } = await megastream(folder, args, 3);
    assert.deepEqual([files.processed, files.failed, files.ignored], [2, 1, 1]);
    assert.deepEqual(left(), [old, bad], "neither an ignored nor a bad one");
    assert.equal(rowsByFile(`${folder}/bskyingest.db`)[first], 3);
  }));

diskTest("M53: a file that cannot be removed is a warning", 4, async (disk) => {
  const name = writeFile(disk, "07:00:00");
  makeReadOnly(disk);
  await inFolder(async (folder) => {
    const end = await run(folder, ["megastream", "--path", disk, "--delete-after"]);
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert.match(end.stderr.join("\n"), new RegExp(`warning megastream: Cannot remove ${name}: .*[Rr]ead-only`));
    assert.equal(statuses(statePath(folder))[name], "processed 1");
    assert(fileExists(`${disk}/${name}`));
  });
});
