import assert from "node:assert/strict";
import {
  fileName,
  megastream,
  readState,
  rowsByFile,
  statePath,
  statuses,
  storedRows,
  writeBadFile,
  writeFile,
} from "../support/megastream.ts";
import { assertMisuse, filesIn, run } from "../support/program.ts";
import { inFolder } from "../support/temp.ts";

/** An entry as early ingex wrote it. */
const older = (filename: string, status: string, more = {}) => ({
  filename,
  status,
  timestamp: "2025-10-21T07:03:10.120Z",
  ...more,
});
const PATH = ["--path", "files"];

Deno.test("M49: the array of early ingex: processed files are left, failed ones tried, its entries and keys are kept", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`, state = `${folder}/.processed_files.json`;
    const [done, failed, fresh] = ["07:00:00", "07:05:00", "07:10:00"].map((time) => writeFile(files, time)) as [
      string,
      string,
      string,
    ];
    const entries = [older(done, "processed"), older(failed, "failed", { error: "disk I/O error", note: "a" })];
    Deno.writeTextFileSync(state, JSON.stringify(entries));
    const env = { SPOOL_STATE_FILE: ".processed_files.json" };
    const { files: counts, written } = await megastream(folder, PATH, 0, env);
    assert.deepEqual([counts.eligible, counts.processed, written], [2, 2, 6]);
    assert.deepEqual(rowsByFile(`${folder}/bskyingest.db`), { [failed]: 3, [fresh]: 3 });
    const after = readState(state);
    assert.deepEqual(after[0], entries[0]);
    const { note, error } = after[1] as { note?: string; error?: string };
    assert.deepEqual([note, error], ["a", undefined]);
    assert.deepEqual(statuses(state), {
      [done]: "processed undefined",
      [failed]: "processed 1",
      [fresh]: "processed 1",
    });
    assert.equal((await megastream(folder, PATH, 0, env)).files.eligible, 0);
  }));

Deno.test("M50: a time of later ingex is a low water mark, and is written back in our shape", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`, state = `${folder}/state.json`;
    const names = ["07:00:00", "07:05:00", "07:10:00"].map((time) => writeFile(files, time));
    Deno.writeTextFileSync(state, JSON.stringify({ last_time_us: Date.parse("2025-10-21T07:05:00Z") * 1000 }));
    const { written } = await megastream(folder, [...PATH, "--state-file", "state.json"]);
    assert.equal(written, 3);
    assert.deepEqual(Object.keys(rowsByFile(`${folder}/bskyingest.db`)), [names[2]]);
    const [low, entry] = readState(state);
    assert.deepEqual([low!.status, low!.filename, entry!.filename], ["low_water", names[1], names[2]]);
    assert.equal((await megastream(folder, [...PATH, "--state-file", "state.json"])).files.eligible, 0);
  }));

Deno.test("M51: a damaged state is exit 2 and stays as it is", () =>
  inFolder(async (folder) => {
    writeFile(`${folder}/files`, "07:00:00");
    const state = `${folder}/state.json`;
    for (const text of ["garbage", "[1]", `{"a":1}`, `[{"filename":1}]`, `[{"filename":"a","status":"processed"`]) {
      Deno.writeTextFileSync(state, text);
      const end = await run(folder, ["megastream", ...PATH, "--state-file", "state.json"]);
      assertMisuse(end, /state\.json/);
      assert.equal(Deno.readTextFileSync(state), text);
      assert.deepEqual(filesIn(folder).filter((name) => name.endsWith(".db")), [], "the sink was not opened");
    }
  }));

Deno.test("M51: an empty state is a warning and all files are read", () =>
  inFolder(async (folder) => {
    const name = writeFile(`${folder}/files`, "07:00:00");
    Deno.writeTextFileSync(`${folder}/state.json`, "");
    const end = await run(folder, ["megastream", ...PATH, "--state-file", "state.json"]);
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assert.match(end.stderr.join("\n"), /warning megastream: state\.json is empty: no file counts as processed/);
    assert.deepEqual(statuses(`${folder}/state.json`), { [name]: "processed 1" });
  }));

Deno.test("M54: files before a bound are left alone and not in the state, so that a run without it takes them", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`;
    const [early, late] = [writeFile(files, "07:00:00"), writeFile(files, "07:05:00")];
    const now = new Date(Date.now() - 600_000).toISOString().replaceAll(/[-:]|\..*/g, "").replace("T", "_");
    const recent = `mega_jetstream_${now}.db.zip`;
    Deno.copyFileSync(`${files}/${late}`, `${files}/${recent}`);
    const counts = async (...args: string[]) => {
      const { files: { eligible, processed, ignored } } = await megastream(folder, [...PATH, ...args]);
      return [eligible, processed, ignored, Object.keys(statuses(statePath(folder)))];
    };
    assert.deepEqual(await counts("--no-rewind"), [0, 0, 3, []]);
    assert.deepEqual(await counts("--max-rewind", "9"), [0, 0, 3, []]);
    assert.deepEqual(await counts("--max-rewind", "60", "--since", "2025-10-21"), [1, 1, 2, [recent]]);
    assert.deepEqual(await counts("--since", "2025-10-21T07:05:00Z"), [1, 1, 1, [recent, late]]);
    assert.deepEqual(await counts("--since", "2025-10-21"), [1, 1, 0, [recent, late, early]]);
  }));

Deno.test("M59: a file that has changed since it was processed is read again, and is a new one", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`, db = `${folder}/bskyingest.db`;
    const name = writeFile(files, "07:00:00", 3);
    assert.equal((await megastream(folder, PATH)).written, 3);
    writeFile(files, "07:00:00", 8);
    assert.equal((await megastream(folder, PATH)).written, 8);
    const [{ rows, size }] = readState(statePath(folder)) as [ReturnType<typeof readState>[0]];
    assert.deepEqual([rows, size], [8, Deno.statSync(`${files}/${name}`).size]);
    assert.deepEqual(storedRows(db).map(({ row }) => row), [1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.equal((await megastream(folder, PATH)).files.eligible, 0);
  }));

for (const path of ["state.json", "with spaces/my state.json", "deep/er/.hidden"]) {
  Deno.test(`M60: the state in ${JSON.stringify(path)}: nothing else is written or overwritten`, () =>
    inFolder(async (folder) => {
      const name = writeFile(`${folder}/files`, "07:00:00");
      const parent = path.includes("/") ? `${folder}/${path.slice(0, path.lastIndexOf("/"))}` : folder;
      Deno.mkdirSync(parent, { recursive: true });
      const others = [".processed_files.json", "state", "state.json.bak", "state.json.tmp", "files/state.json"];
      for (const other of others) Deno.writeTextFileSync(`${folder}/${other}`, other);
      await megastream(folder, [...PATH, "--state-file", path]);
      assert.deepEqual(statuses(`${folder}/${path}`), { [name]: "processed 1" });
      for (const other of others) assert.equal(Deno.readTextFileSync(`${folder}/${other}`), other);
      const own = filesIn(folder).filter((each) => !others.includes(each) && !each.startsWith(".local/"));
      assert.deepEqual(
        own,
        [path, `${path}.lock`, "bskyingest.db", "bskyingest.db.megastream.lock", `files/${fileName("07:00:00")}`]
          .sort(),
      );
      assert.equal((await megastream(folder, [...PATH, "--state-file", path])).files.eligible, 0);
    }));
}

Deno.test("a partial file that is gone is one gap, also after a second run, and its entry stays", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`;
    const there = writeFile(files, "07:00:00"), bad = writeBadFile(files, "07:10:00");
    const partial = older(fileName("07:05:00"), "partial", { attempts: 1, rows: 2, cursor: 2, size: 1000 });
    const state = statePath(folder);
    Deno.mkdirSync(state.slice(0, state.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(state, JSON.stringify([partial]));
    await megastream(folder, PATH, 3);
    Deno.removeSync(`${files}/${bad}`);
    for (const round of [1, 2]) {
      const end = await run(folder, ["megastream", ...PATH, "--json"]);
      assert.equal(end.code, 0, end.stderr.join("\n"));
      for (const name of [partial.filename, bad]) {
        assert.match(
          end.stderr.join("\n"),
          new RegExp(`warning megastream: ${name} is gone before all of it was read`),
        );
      }
      const list = await run(folder, ["gaps", "list", "--json"]);
      const rows = list.stdout.map((line) => JSON.parse(line));
      const of = (name: string) => rows.filter(({ host }) => host === name);
      for (const name of [partial.filename, bad]) {
        assert.deepEqual(
          of(name).map(({ source, unit, reason, state }) => ({ source, unit, reason, state })),
          [{ source: "megastream", unit: "file", reason: "file_vanished", state: "open" }],
          `${name}, round ${round}`,
        );
      }
      assert.equal(rows.length, 2);
    }
    const shown = await run(folder, ["gaps", "list"]);
    assert.match(shown.stdout.join("\n"), /file_vanished/);
    assert.deepEqual(statuses(state), { [partial.filename]: "partial 1", [there]: "processed 1", [bad]: "failed 1" });
  }));

Deno.test("T20: a file that vanished is read when it is there again, and none but that", () =>
  inFolder(async (folder) => {
    const files = `${folder}/files`;
    const name = writeBadFile(files, "07:00:00");
    await megastream(folder, PATH, 3);
    const content = Deno.readFileSync(`${files}/${writeFile(files, "07:00:00")}`);
    Deno.removeSync(`${files}/${name}`);
    await megastream(folder, PATH);
    const heal = ["gaps", "heal", ...PATH];
    const gone = await run(folder, heal);
    assert.deepEqual([gone.code, gone.stderr.at(-1)], [3, "gap 1 stays open: it is not there"]);
    writeBadFile(files, "07:00:00");
    const bad = await run(folder, heal);
    assert.equal(bad.code, 3);
    assert.match(bad.stderr.at(-1)!, /^gap 1 stays open: it cannot be read: \w+: /);

    Deno.writeFileSync(`${files}/${name}`, content);
    writeFile(files, "07:10:00");
    const healed = await run(folder, heal);
    assert.deepEqual([healed.code, healed.stderr.at(-1)], [0, "healed: gap 1"], healed.stderr.join("\n"));
    assert.deepEqual(statuses(statePath(folder)), { [name]: "processed 1" });
    assert.deepEqual((await run(folder, ["gaps", "list"])).stdout, []);
  }));
