import assert from "node:assert/strict";
import { captureLog } from "../../tests/support/log_records.ts";
import { inFolder } from "../../tests/support/temp.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { megastreamName, megastreamTime } from "../sources/megastream/name.ts";
import { failedAttempts, type FileEntry, type FileFacts } from "./processed_files.ts";
import { openProcessedFiles, type ProcessedFilesOptions } from "./processed_files.ts";

const T = Date.parse("2025-10-21T07:00:00Z");
const NAMES = { timeOf: megastreamTime, nameOf: megastreamName };

const open = (path: string | undefined, options: Partial<ProcessedFilesOptions> = {}) =>
  openProcessedFiles(path, { ...NAMES, now: () => T, ...options });

/** The n-th file: one every five minutes. */
function file(n: number, more: Partial<FileFacts> = {}): FileFacts {
  const timeUs = T * 1000 + n * 300e6;
  return { name: megastreamName(timeUs), timeUs, size: 100, modifiedMs: T + n, ...more };
}

const counts = (rows: number, rejected = 0, skipped = 0) => ({ rows, rejected, skipped });
const entriesAt = async (path: string) => JSON.parse(await Deno.readTextFile(path)) as FileEntry[];
const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a file is partial, then processed, in the shape of the specification", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const state = await open(path);
    const etag = file(1, { etag: "9b2c" });
    const begun = await state.begin(etag);
    const { load, save } = begun.checkpoints(() => counts(1500, 1, 2));
    assert.equal(await load("megastream:x"), undefined);
    await save("megastream:x", "1500");
    const shared = { size: 100, mtime: "2025-10-21T07:00:00.001Z", etag: "9b2c" };
    const start = { filename: "mega_jetstream_20251021_070500.db.zip", timestamp: "2025-10-21T07:00:00.000Z" };
    const partial = { ...start, status: "partial", attempts: 1, rows: 1500, rejected: 1, skipped: 2, cursor: 1500 };
    assert.deepEqual(await entriesAt(path), [{ ...partial, ...shared }]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    await begun.processed(counts(4012, 1, 3));
    const processed = { ...start, status: "processed", attempts: 1, rows: 4012, rejected: 1, skipped: 3 };
    assert.deepEqual(await entriesAt(path), [{ ...processed, ...shared }]);
    assert.deepEqual(Object.keys((await entriesAt(path))[0]!).slice(0, 3), ["filename", "status", "timestamp"]);
    assert.equal((await open(path)).isProcessed(etag), true);
    assert.equal((await open(path)).isProcessed(file(0)), false);
  }));

Deno.test("M52: a run goes on at the saved row, and counts cover all runs of the file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await (await (await open(path)).begin(file(1))).checkpoints(() => counts(10, 1, 0)).save("k", "10");
    const second = await (await open(path)).begin(file(1));
    assert.equal(second.cursor, "10");
    assert.equal(await second.checkpoints(() => counts(0)).load("k"), "10");
    await second.failed("corrupt: page 7", { cursor: "15", ...counts(5, 0, 2) });
    const [failed] = await entriesAt(path);
    assert.partialDeepStrictEqual(failed, { status: "failed", error: "corrupt: page 7", attempts: 1, cursor: 15 });
    const third = await (await open(path)).begin(file(1));
    await third.checkpoints(() => counts(2)).save("k", "17");
    await third.failed("corrupt: page 8");
    const expected = { status: "failed", attempts: 2, cursor: 17, rows: 17, rejected: 1, skipped: 2 };
    assert.partialDeepStrictEqual((await entriesAt(path))[0], expected);
    await (await (await open(path)).begin(file(1))).processed(counts(3));
    const [entry] = await entriesAt(path);
    assert.partialDeepStrictEqual(entry, { status: "processed", attempts: 3, rows: 20 });
    assert.equal("cursor" in entry!, false);
    assert.equal("error" in entry!, false);
  }));

Deno.test("an interrupted attempt is not counted as a failed one", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await (await (await open(path)).begin(file(1))).failed("bad_crc: x", { cursor: undefined, ...counts(0) });
    for (let run = 0; run < 3; run++) {
      await (await (await open(path)).begin(file(1))).partial({ cursor: "1", ...counts(1) });
    }
    const state = await open(path);
    assert.equal(state.entry(file(1).name)?.attempts, 2);
    assert.equal(failedAttempts(state.entry(file(1).name)), 1);
    assert.equal(failedAttempts(undefined), 0);
  }));

Deno.test("a final position is not saved: the file is processed only when that is said", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const begun = await (await open(path)).begin(file(1));
    const { save } = begun.checkpoints(() => counts(9));
    await save("k", "9");
    await save("k", "end", true);
    assert.partialDeepStrictEqual((await entriesAt(path))[0], { status: "partial", cursor: 9 });
    await begun.partial({ cursor: "end", ...counts(9) });
    assert.equal((await open(path)).entry(file(1).name)?.cursor, 9);
  }));

Deno.test("M59: another size, time of change or ETag makes a file new; what has none of these is never read again", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const old = { filename: file(3).name, status: "processed", timestamp: "2025-10-21T07:05:00Z" };
    await Deno.writeTextFile(path, JSON.stringify([old]));
    const state = await open(path);
    const s3 = file(2, { etag: "a" });
    for (const each of [file(1), s3]) await (await state.begin(each)).processed(counts(7));
    const changed = (each: FileFacts) => [state.isProcessed(each), state.isChanged(each)];
    const same = [true, false], other = [false, true];
    assert.deepEqual(changed(file(1)), same);
    assert.deepEqual(changed({ ...file(1), size: 101 }), other);
    assert.deepEqual(changed({ ...file(1), modifiedMs: T + 9 }), other);
    assert.deepEqual(changed({ ...s3, modifiedMs: 0 }), same);
    assert.deepEqual(changed({ ...s3, etag: "b" }), other);
    assert.deepEqual(changed({ ...s3, size: 1 }), other);
    assert.deepEqual(changed(file(2, { modifiedMs: 5 })), same, "fetched from S3 by other means");
    assert.deepEqual(changed({ ...file(3), size: 1, modifiedMs: 1 }), same);
    const again = await state.begin({ ...file(1), size: 101 });
    assert.equal(again.cursor, undefined);
    assert.partialDeepStrictEqual((await entriesAt(path))[1], { status: "partial", rows: 0, size: 101, attempts: 1 });
  }));

Deno.test("what is known of a bad file is forgotten on the disk at once when it has changed", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const begun = await (await open(path)).begin(file(1));
    await begun.failed("truncated: x", { cursor: "12", ...counts(12) });
    const state = await open(path);
    const again = await state.begin({ ...file(1), size: 200 });
    assert.equal(again.cursor, undefined);
    const [entry] = await entriesAt(path);
    assert.partialDeepStrictEqual(entry, { status: "partial", attempts: 1, rows: 0, size: 200 });
    assert.equal("cursor" in entry!, false);
  }));

Deno.test("M49: entries of early ingex: processed is done, failed is tried again, foreign keys stay, the last one counts", () =>
  inFolder(async (folder) => {
    const path = `${folder}/.processed_files.json`;
    const at = "2025-10-21T07:05:00.5+02:00";
    await Deno.writeTextFile(
      path,
      JSON.stringify([
        { filename: file(1).name, status: "failed", timestamp: at, error: "x" },
        { filename: file(2).name, status: "failed", timestamp: at, error: "zip: not a valid zip file", note: { a: 1 } },
        { filename: file(1).name, status: "processed", timestamp: at, error: "", host: "h" },
      ]),
    );
    const state = await open(path);
    assert.equal(state.isProcessed(file(1)), true);
    assert.equal(state.isProcessed(file(2)), false);
    assert.equal(failedAttempts(state.entry(file(2).name)), 0);
    await (await state.begin(file(2))).processed(counts(1));
    const entries = await entriesAt(path);
    assert.deepEqual(entries[0], { filename: file(1).name, status: "processed", timestamp: at, error: "", host: "h" });
    assert.partialDeepStrictEqual(entries[1], { status: "processed", note: { a: 1 }, attempts: 1 });
    assert.equal("error" in entries[1]!, false);
  }));

Deno.test("M50: later ingex's time is a low water, and is written back in this shape", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await Deno.writeTextFile(path, `{"last_time_us": ${file(5).timeUs}}`);
    const state = await open(path);
    assert.deepEqual([4, 5, 6].map((n) => state.isProcessed(file(n))), [true, true, false]);
    assert.equal(state.figures().newestUs, file(5).timeUs);
    await (await state.begin(file(6))).processed(counts(1));
    const [low, entry] = await entriesAt(path);
    assert.deepEqual(low, {
      filename: file(5).name,
      status: "low_water",
      timestamp: new Date(file(5).timeUs / 1000).toISOString(),
    });
    assert.equal(entry?.filename, file(6).name);
    assert.equal((await open(path)).isProcessed(file(4)), true);
  }));

Deno.test("M51: anything that is not a state is never read as an empty one", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const low = { filename: file(1).name, status: "low_water", timestamp: "" };
    const garbage: [unknown, string][] = [
      ["{", "the file is not JSON"],
      ['[{"filename":"a","status":"processed"', "the file is not JSON"],
      [{}, "it must be a JSON array"],
      [null, "it must be a JSON array"],
      [{ last_time_us: "1" }, `"last_time_us" must be microseconds since 1970`],
      [{ last_time_us: -1 }, `"last_time_us" must be microseconds since 1970`],
      [[1], "entry 1: it must be an object"],
      [[{ status: "processed" }], `entry 1: "filename" must be a name`],
      [[{ ...low, status: "done" }], `entry 1: "status" must be processed, failed, partial or low_water`],
      [[low, low], `entry 2: only the first one may be "low_water"`],
      [[{ ...low, status: "partial", cursor: -1 }], `entry 1: "cursor" must be a whole number`],
      [[{ ...low, status: "failed", attempts: "3" }], `entry 1: "attempts" must be a whole number`],
      [[{ ...low, status: "failed", error: 3 }], `entry 1: "error" must be a text`],
    ];
    for (const [content, fault] of garbage) {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      await Deno.writeTextFile(path, text);
      await assert.rejects(open(path), (error: unknown) => {
        return error instanceof ConfigError && error.message === `Cannot read processed files from ${path}: ${fault}`;
      }, text);
      assert.equal(await Deno.readTextFile(path), text);
    }
    await Deno.writeTextFile(path, JSON.stringify([{ ...low, filename: "x.db.zip" }]));
    await assert.rejects(open(path), ConfigError);
    await assert.rejects(open(folder), ConfigError);
  }));

Deno.test("M51: a missing file means that nothing is processed, an empty one too, with a warning", () =>
  inFolder(async (folder) => {
    await using log = await captureLog();
    const path = `${folder}/state.json`;
    assert.equal((await open(path)).isProcessed(file(1)), false);
    assert.deepEqual([log.lines, names(folder)], [[], []]);
    await Deno.writeTextFile(path, "\n");
    assert.equal((await open(path)).isProcessed(file(1)), false);
    assert.deepEqual(log.lines, [`warning: ${path} is empty: no file counts as processed`]);
  }));

Deno.test("M60: paths with spaces and folders work, and nothing beside the file is overwritten", () =>
  inFolder(async (folder) => {
    const there = `${folder}/other folder`;
    await Deno.mkdir(there);
    for (const name of ["state", "state.json.bak", "state.json.tmp", ".processed_files.json"]) {
      await Deno.writeTextFile(`${there}/${name}`, name);
    }
    const before = names(there);
    for (const name of ["state.json", "my state.json", "state"]) {
      if (name === "state") await Deno.writeTextFile(`${there}/state`, "[]");
      await (await (await open(`${there}/${name}`)).begin(file(1))).processed(counts(1));
      assert.equal((await entriesAt(`${there}/${name}`)).length, 1);
    }
    assert.deepEqual(names(there), [...before, "state.json", "my state.json"].sort());
    for (const name of before) {
      if (name !== "state") assert.equal(await Deno.readTextFile(`${there}/${name}`), name);
    }
  }));

Deno.test("the oldest processed files are folded into one; failed and partial ones stay, and late files are not lost before", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const state = await open(path, { maxEntries: 5 });
    await (await state.begin(file(0))).failed("bad_crc: x", { cursor: undefined, ...counts(0) });
    for (const n of [3, 2, 4, 5]) await (await state.begin(file(n))).processed(counts(1));
    assert.equal((await entriesAt(path)).length, 5);
    assert.equal(state.isProcessed(file(1)), false);
    await (await state.begin(file(6))).processed(counts(1));
    const entries = await entriesAt(path);
    assert.deepEqual(entries[0], {
      filename: file(3).name,
      status: "low_water",
      timestamp: "2025-10-21T07:00:00.000Z",
    });
    assert.deepEqual(entries.slice(1).map(({ filename }) => filename), [0, 4, 5, 6].map((n) => file(n).name));
    for (const again of [state, await open(path, { maxEntries: 5 })]) {
      assert.deepEqual([0, 1, 2, 3, 4, 7].map((n) => again.isProcessed(file(n))), [
        false,
        true,
        true,
        true,
        true,
        false,
      ]);
    }
    await (await state.begin(file(7))).processed(counts(1));
    assert.equal((await entriesAt(path))[0]?.filename, file(4).name);
    assert.equal((await entriesAt(path)).length, 5);
  }));

Deno.test("files whose names tell no time are folded by the time of their change", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const named = (n: number) => file(n, { name: `${n}.db.zip`, modifiedMs: file(n).timeUs / 1000 });
    const state = await open(path, { maxEntries: 2 });
    for (const n of [1, 2, 3]) await (await state.begin(named(n))).processed(counts(1));
    const again = await open(path, { maxEntries: 2 });
    assert.deepEqual([0, 1, 2, 3, 4].map((n) => again.isProcessed(named(n))), [true, true, true, true, false]);
    assert.partialDeepStrictEqual((await entriesAt(path))[0], { filename: "2.db.zip", status: "low_water" });
  }));

Deno.test("unfinished files come by time, those without one last; figures count", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await Deno.writeTextFile(path, `[{"filename":"x.db.zip","status":"failed","timestamp":""}]`);
    const state = await open(path);
    await (await state.begin(file(2))).failed("empty: x", { cursor: undefined, ...counts(0) });
    await state.begin(file(1));
    await (await state.begin(file(3))).processed(counts(1));
    assert.deepEqual(state.unfinished().map(({ entry }) => entry.filename), [file(1).name, file(2).name, "x.db.zip"]);
    assert.deepEqual(state.figures(), { processed: 1, failed: 2, partial: 1, newestUs: file(3).timeUs });
  }));

Deno.test("what nobody waits for is saved once a second, or with the next save", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    let now = T;
    const state = await open(path, { now: () => now });
    const begun = await state.begin(file(1));
    const cursorAt = async () => (await entriesAt(path))[0]?.cursor;
    for (const [ms, cursor, saved] of [[999, "1", undefined], [1, "2", 2], [999, "3", 2], [1, "4", 4]] as const) {
      now += ms;
      await begun.partial({ cursor, ...counts(1) });
      assert.equal(await cursorAt(), saved);
    }
    await begun.partial({ cursor: "5", ...counts(1) });
    await state.flush();
    assert.equal(await cursorAt(), 5);
    const { mtime } = await Deno.stat(path);
    await state.flush();
    assert.deepEqual((await Deno.stat(path)).mtime, mtime);
  }));

Deno.test("saves side by side take turns, and each has what was noted before it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const state = await open(path);
    const begun = await Promise.all([1, 2, 3, 4, 5].map((n) => state.begin(file(n))));
    await Promise.all(begun.map(async (each, n) => {
      await each.processed(counts(n));
      assert.equal((await entriesAt(path)).find(({ filename }) => filename === file(n + 1).name)?.status, "processed");
    }));
    assert.deepEqual(names(folder), ["state.json"]);
  }));

Deno.test("a save that fails is tried again with the next one; one that nobody waits for is a warning", () =>
  inFolder(async (folder) => {
    await using log = await captureLog();
    const path = `${folder}/later/state.json`;
    const state = await open(path);
    const begun = await state.begin(file(1));
    assert.match(
      log.lines.join(),
      /^warning: Cannot save the state of files: Cannot write .*: no such file or folder$/,
    );
    await assert.rejects(begun.processed(counts(1)), ConfigError);
    await Deno.mkdir(`${folder}/later`);
    await state.flush();
    assert.equal((await entriesAt(path))[0]?.status, "processed");
  }));

Deno.test("M57: a dry run's view remembers and writes nothing; without a path nothing is kept either", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const text = `[{"filename":"${file(1).name}","status":"processed","timestamp":""}]`;
    await Deno.writeTextFile(path, text);
    for (const state of [await open(path, { readOnly: true }), await open(undefined)]) {
      assert.equal(state.isProcessed(file(1)), state.path === path);
      const begun = await state.begin(file(2));
      await begun.checkpoints(() => counts(1)).save("k", "1");
      await begun.processed(counts(1));
      await state.flush();
      assert.equal(state.isProcessed(file(2)), true);
    }
    assert.equal(await Deno.readTextFile(path), text);
    assert.deepEqual(names(folder), ["state.json"]);
    await open(`${folder}/none.json`, { readOnly: true });
    assert.deepEqual(names(folder), ["state.json"]);
  }));

Deno.test("20,000 entries stay 20,000", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const all = Array.from(
      { length: 20_000 },
      (_, n) => ({ filename: file(n).name, status: "processed", timestamp: "" }),
    );
    await Deno.writeTextFile(path, JSON.stringify(all));
    const state = await open(path);
    await (await state.begin(file(20_000))).processed(counts(1));
    const entries = await entriesAt(path);
    assert.equal(entries.length, 20_000);
    assert.partialDeepStrictEqual(entries[0], { filename: file(1).name, status: "low_water" });
  }));
