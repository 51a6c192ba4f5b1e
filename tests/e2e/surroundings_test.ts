import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import { cliArgs, cliEnv } from "../support/cli.ts";
import {
  askedFor,
  assertCalm,
  assertMisuse,
  ended,
  fileExists,
  filesIn,
  parseSummary,
  rowsIn,
  run,
  serve,
  until,
} from "../support/program.ts";
import { diskTest, makeReadOnly } from "../support/small_disk.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

const SIMULATE = ["jetstream", "--simulate", "-c", "all", "-n", "50"];

/** Runs a line of shell in which "$@" is the program; its exit status is that of the first command that failed. */
async function shell(folder: string, line: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `set -o pipefail; ${line}`, "bash", Deno.execPath(), ...cliArgs(args)],
    cwd: folder,
    env: cliEnv(folder, env),
    clearEnv: true,
  }).output();
  const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").slice(0, -1);
  return { code, stdout: lines(stdout), stderr: lines(stderr) };
}

Deno.test("L9: --sink stdout | head -1: one event, exit 0, no stack trace", async () => {
  using folder = tempFolder();
  const end = await shell(folder.path, '"$@" | head -1', ["jetstream", "--simulate", "-c", "all", "--sink", "stdout"]);
  assertCalm(end);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert.equal(end.stdout.length, 1);
  assert.match(JSON.parse(end.stdout[0]!).did, /^did:plc:/);
  assert.match(end.stderr.join("\n"), /ended by signal/);
});

Deno.test("L10: stdout or stderr closed: the events are stored, exit 0, no stack trace", async () => {
  using folder = tempFolder();
  const silent = await shell(folder.path, '"$@" >&-', [...SIMULATE, "--json"]);
  assertCalm(silent);
  assert.deepEqual([silent.code, silent.stdout], [0, []]);
  const { code, stdout, stderr } = await shell(folder.path, '"$@" 2>&-', [...SIMULATE, "--json"]);
  assert.deepEqual([code, JSON.parse(stdout[0]!).written, stderr], [0, 50, []]);
  assert.equal(rowsIn(`${folder.path}/bskyingest.db`), 100);
});

Deno.test("T24: without HOME and XDG folders state is kept in ./.bskyingest", async () => {
  using folder = tempFolder();
  const { code, stderr } = await shell(folder.path, 'unset HOME ${!XDG*}; "$@"', [...SIMULATE, "--sink", "ndjson"]);
  assert.equal(code, 0, stderr.join("\n"));
  assert.deepEqual(filesIn(folder.path).filter((name) => name.startsWith(".bskyingest/")), [
    ".bskyingest/jetstream-simulate-ndjson.json",
    ".bskyingest/jetstream-simulate-ndjson.json.lock",
  ]);
});

Deno.test("T24: a state folder that cannot be made: exit 2 naming it, nothing is stored", async () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  for (const sink of ["sqlite", "ndjson", "null"]) {
    const env = { XDG_STATE_HOME: `${folder.path}/file/state` };
    const end = await run(folder.path, [...SIMULATE, "--sink", sink], env);
    assertMisuse(end, /^Cannot .*\/file\/state\/bskyingest.*: a part of its path is not a folder$/);
  }
  const stored = filesIn(folder.path).filter((name) => name.includes("bskyingest.db") && !name.endsWith(".lock"));
  assert.deepEqual(stored, []);
});

Deno.test("L10: times are UTC, whatever TZ says", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  for (const TZ of ["America/New_York", "Nowhere/Land", ""]) {
    const args = ["jetstream", "--url", server.v1, "-s", "2026-01-02", "-n", "1", "--sink", "null"];
    const end = await run(folder.path, args, { TZ });
    assert.deepEqual([end.code, askedFor(end)], [0, [`from ${Date.UTC(2026, 0, 2)}000`]]);
  }
});

Deno.test("S11: a database that cannot be used: exit 2 with two lines, the file as it was", async () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/text.db`, "hello\n");
  Deno.mkdirSync(`${folder.path}/folder.db`);
  assertMisuse(
    await run(folder.path, [...SIMULATE, "--db", "missing/x.db"]),
    /^Cannot open missing\/x\.db: its folder does not exist/,
  );
  assertMisuse(
    await run(folder.path, [...SIMULATE, "--db", "text.db"]),
    /^Cannot use text\.db: file is not a database/,
  );
  assertMisuse(await run(folder.path, [...SIMULATE, "--db", "folder.db"]), /^Cannot open folder\.db: it is a folder/);
  assertMisuse(
    await run(folder.path, [...SIMULATE, "--sink", "ndjson", "--out", "missing/x.ndjson"]),
    /^Cannot write missing\/x\.ndjson: no such file or folder/,
  );
  assert.equal(Deno.readTextFileSync(`${folder.path}/text.db`), "hello\n");
});

Deno.test("a database that is moved away during the run: exit 1, no stack trace, it keeps what it has", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/bskyingest.db`;
  await using child = startCli(["jetstream", "--simulate", "-c", "all", "--json"], { cwd: folder.path });
  await until(() => rowsIn(db) > 0, "rows");
  Deno.renameSync(db, `${folder.path}/old.db`);
  const end = await ended(child);
  assertCalm(end);
  const { written, error } = parseSummary(end, 1);
  assert.match(error!, /^Cannot write to .*bskyingest\.db: it was removed during the run/);
  assert.equal(rowsIn(`${folder.path}/old.db`), written);
  assert(!fileExists(db));
});

diskTest("L10: a read-only working directory: exit 2 with two lines", 1, async (disk) => {
  using home = tempFolder();
  makeReadOnly(disk);
  const env = { HOME: home.path, XDG_STATE_HOME: home.path };
  for (const sink of ["sqlite", "ndjson"]) {
    const end = await run(disk, [...SIMULATE, "--sink", sink], env);
    assertMisuse(end, /^Cannot .*bskyingest\.(db|ndjson).*: the file system is read-only$/);
  }
  assert.equal((await run(disk, [...SIMULATE, "--sink", "null"], env)).code, 0);
});

const FULL = "S10: on a full disk a run waits with a warning; with space again it goes on, complete and exact";
diskTest(FULL, 16, async (disk) => {
  using folder = tempFolder();
  const db = `${disk}/x.db`;
  Deno.writeFileSync(`${disk}/ballast`, new Uint8Array(13 * 2 ** 20));
  const args = ["jetstream", "--simulate", "-c", "all", "-n", "10000", "--db", db, "--json"];
  await using child = startCli(args, { cwd: folder.path });
  const warning = await child.stderr.waitFor("Cannot write to sqlite, trying again: ");
  assert.match(warning, /disk is full|disk I\/O error/);
  assert(rowsIn(db) < 10_000);
  Deno.removeSync(`${disk}/ballast`);
  const summary = parseSummary(await ended(child));
  assert.equal(summary.written, 10_000);
  assert(summary.retried > 0);
  const sql = "SELECT count(*) AS n, max(seq) - min(seq) + 1 AS span, (SELECT count(*) FROM gaps) AS gaps FROM events";
  assert.deepEqual(readBack(db, sql), [{ n: 10_000, span: 10_000, gaps: 0 }]);
});
