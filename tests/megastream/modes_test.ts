import assert from "node:assert/strict";
import { type Child, startCli } from "../support/child.ts";
import {
  fileBytes,
  fileName,
  megastream,
  megastreamSummary,
  readState,
  rowsByFile,
  statePath,
  statuses,
  storedRows,
  untilProcessed,
  writeFile,
  writeManyRows,
} from "../support/megastream.ts";
import { assertCalm, ended, rowsIn, run, until } from "../support/program.ts";
import { inFolder } from "../support/temp.ts";

const SPOOL = ["megastream", "--path", "files", "--mode", "spool", "--spool-interval", "1s", "--json"];

/** Stops a run by SIGTERM; it must end well. */
async function stop(child: Child) {
  child.kill("SIGTERM");
  const end = await ended(child);
  assertCalm(end);
  return megastreamSummary(end);
}

Deno.test("M47: spooling, a file that comes late with an older name is read in the next pass; SIGTERM ends the wait", () =>
  inFolder(async (folder) => {
    const state = statePath(folder), files = `${folder}/files`;
    const names = [writeFile(files, "07:00:00"), writeFile(files, "07:10:00")];
    await using child = startCli(SPOOL, { cwd: folder });
    await untilProcessed(state, names[1]!);
    names.push(writeFile(files, "07:05:00"));
    await untilProcessed(state, names[2]!);
    names.push(writeFile(files, "06:00:00"));
    await untilProcessed(state, names[3]!);

    const asked = Date.now();
    const { files: counts, ended_by, written, exit } = await stop(child);
    assert(Date.now() - asked < 900, "it did not wait for the next pass");
    assert.deepEqual([counts.eligible, counts.processed, written, ended_by, exit], [4, 4, 12, "signal", 0]);
    assert.deepEqual([...new Set(storedRows(`${folder}/bskyingest.db`).map(({ file }) => file))], names);
  }));

Deno.test("spooling an empty folder goes on and says nothing of passes without files", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/files`);
    await using child = startCli([...SPOOL, "-v"], { cwd: folder });
    const lists = (level: string) =>
      child.stderr.lines.filter((line) => new RegExp(` ${level} megastream: .* \\d+ files, \\d+ to read`).test(line));
    await until(() => lists("debug").length === 2, "two passes");
    const name = writeFile(`${folder}/files`, "07:00:00");
    await untilProcessed(statePath(folder), name);
    await stop(child);
    assert.equal(lists("info").length, 1, child.stderr.lines.join("\n"));
  }));

Deno.test("M55: a second process exits 75, whatever its mode, and changes nothing", () =>
  inFolder(async (folder) => {
    const name = writeFile(`${folder}/files`, "07:00:00");
    await using first = startCli(SPOOL, { cwd: folder });
    await untilProcessed(statePath(folder), name);
    for (const args of [SPOOL, ["megastream", "--path", "files"]]) {
      const second = await run(folder, args);
      assert.equal(second.code, 75, second.stderr.join("\n"));
      assertCalm(second);
      assert.match(second.stderr.join("\n"), new RegExp(`megastream \\(pid ${first.pid} on `));
    }
    assert.deepEqual((await stop(first)).files.processed, 1);
  }));

/** Lets a file grow as `cp` does, until it is noticed; then the rest comes at once. */
async function copySlowly(child: Child, path: string, bytes: Uint8Array): Promise<void> {
  const [half, later] = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)];
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.writeSync(half);
  let at = 0;
  const timer = setInterval(() => at < later.length - 1 && (at += file.writeSync(later.subarray(at, at + 1))), 50);
  try {
    await child.stderr.waitFor("is not ready: it is still being written");
  } finally {
    clearInterval(timer);
  }
  file.writeSync(later.subarray(at));
}

for (const mode of ["once", "spool"]) {
  Deno.test(`M56: ${mode}, a file that is still being copied is read once it is there, and no attempt is counted`, () =>
    inFolder(async (folder) => {
      const files = `${folder}/files`, state = statePath(folder);
      const name = fileName("07:00:00"), after = writeFile(files, "07:10:00");
      const bytes = fileBytes("07:00:00");
      Deno.writeFileSync(`${files}/${name}`, bytes.subarray(0, bytes.length / 2));
      await using child = startCli([
        "megastream",
        "--path",
        "files",
        "--mode",
        mode,
        "--spool-interval",
        "1s",
        "--json",
      ], {
        cwd: folder,
      });
      await copySlowly(child, `${files}/${name}`, bytes);
      const summary = mode === "once" ? megastreamSummary(await ended(child)) : await untilProcessed(state, name)
        .then(() => stop(child));
      const { files: { processed, failed, not_ready }, written, dead_lettered } = summary;
      assert.deepEqual([processed, failed, not_ready, written, dead_lettered], [2, 0, 0, 6, 0]);
      assert.deepEqual(statuses(state), { [name]: "processed 1", [after]: "processed 1" });
      assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [name]: 3, [after]: 3 });
    }));
}

const ROWS = 100_000;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`M58: ${signal} in a large file: exit 0, the next run goes on at the row`, () =>
    inFolder(async (folder) => {
      const db = `${folder}/bskyingest.db`, state = statePath(folder);
      const name = await writeManyRows(`${folder}/files`, ROWS);
      await using child = startCli(["megastream", "--path", "files", "--json"], { cwd: folder });
      await until(() => rowsIn(db) > 5000, "rows");
      child.kill(signal);
      const first = megastreamSummary(await ended(child));
      const { ended_by, exit, written, unsettled, files } = first;
      assert.deepEqual([ended_by, exit, unsettled, files.partial, files.processed], ["signal", 0, 0, 1, 0]);
      assert(written < ROWS, "it stopped in the middle");
      assert.equal(rowsIn(db), written);
      const [entry] = readState(state);
      const { filename, status, attempts, rows, cursor } = entry!;
      assert.deepEqual({ filename, status, attempts, rows, cursor }, {
        filename: name,
        status: "partial",
        attempts: 1,
        rows: written,
        cursor: written,
      });

      const second = await megastream(folder, ["--path", "files"]);
      assert.deepEqual([second.written, second.files.processed, second.files.partial], [ROWS - written, 1, 0]);
      assert.deepEqual(statuses(state), { [name]: "processed 1" });
      assert.equal(readState(state)[0]!.rows, ROWS);
      assert.deepEqual(rowsByFile(db), { [name]: ROWS });
    }));
}
