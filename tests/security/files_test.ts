import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { configureLog } from "../../cli/log.ts";
import { statsSaver } from "../../lib/ops/stats_file.ts";
import { ConfigError, PoisonError } from "../../lib/pipeline/errors.ts";
import { ndjsonSink } from "../../lib/sinks/ndjson.ts";
import { queueSink } from "../../lib/sinks/queue.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { openStore } from "../../lib/sinks/webhook/store.ts";
import { tempFiles } from "../../lib/sources/megastream/temp_files.ts";
import { setCursor } from "../../lib/state/cursors_table.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { purgeDeadLetter } from "../../lib/state/dead_letter_reader.ts";
import { fileCheckpoints } from "../../lib/state/file_checkpoint.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { openProcessedFiles } from "../../lib/state/processed_files.ts";
import { captureLog } from "../support/log_records.ts";
import { run } from "../support/program.ts";
import { commitEvent, put } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

type Write = (path: string) => Promise<unknown>;

/** Everything that is kept for its owner alone, and how each comes into being. */
const PRIVATE: Readonly<Record<string, Write>> = {
  "state file": (path) => fileCheckpoints(path, { format: "cursors" }).save("jetstream", "1"),
  async "lock"(path) {
    await using _lock = await acquireLock(path, { command: "test" });
  },
  "dead letter": deadLetter,
  async "dead letter that is purged"(path) {
    await deadLetter(path);
    await purgeDeadLetter(path, { all: true });
  },
  async "gap ledger"(path) {
    using gaps = openGapStore(path);
    const gap = {
      source: "firehose",
      host: "a",
      unit: "seq",
      from: 1,
      to: 2,
      reason: "outdated_cursor",
      state: "open",
    } as const;
    await gaps.record("firehose", [gap]);
  },
  async "queue"(path) {
    await using sink = await queueSink({ file: path });
    await put(sink, [commitEvent(1)]);
  },
  async "webhook queue"(path) {
    const store = await openStore(path, { ordered: true, now: Date.now });
    store[Symbol.dispose]();
  },
  async "files of megastream that were read"(path) {
    const files = await openProcessedFiles(path, { nameOf: String, timeOf: () => 1 });
    await files.begin({ name: "mega.db.zip", timeUs: 1, size: 1, modifiedMs: 1 });
    await files.flush();
  },
  async "log file"(path) {
    const globals = { logLevel: "info", logFormat: "text", logFile: path, quiet: false, verbose: false } as const;
    await using _log = await configureLog({ globals, stderr: () => {}, isTerminal: false });
  },
};

/** What others are meant to read, as the user's umask allows. */
const OUTPUT: Readonly<Record<string, Write>> = {
  async "database of events"(path) {
    await using sink = await sqliteSink({ path });
    await put(sink, [commitEvent(1)]);
  },
  async "NDJSON file"(path) {
    await using sink = await ndjsonSink({ path });
    await put(sink, [commitEvent(1)]);
  },
};

async function deadLetter(path: string): Promise<void> {
  const dead = await openDeadLetter({ path, command: "test", key: "jetstream", maxBytes: 1e6 });
  const letter = {
    stage: "sink",
    item: commitEvent(1),
    error: new PoisonError("too_large", "Cannot take it: too large"),
  };
  await dead.append([letter], { signal: new AbortController().signal });
}

for (const [what, write] of Object.entries({ ...PRIVATE, ...OUTPUT })) {
  Deno.test(`${what}: never through a symlink in a folder for everybody`, () =>
    inFolder(async (folder) => {
      const [victim, shared] = [`${folder}/victim`, `${folder}/shared`];
      await Deno.mkdir(shared);
      await Deno.chmod(shared, 0o1777);
      await Deno.symlink(victim, `${shared}/file`);
      const refused = { name: ConfigError.name, message: /it is a symlink in a folder that everybody may write to/ };
      await assert.rejects(write(`${shared}/file`), refused);
      assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["shared"], "nothing was made");
      await write(victim); // so that nothing else could be wrong with it
      const before = await Deno.readFile(victim);
      await assert.rejects(write(`${shared}/file`), refused);
      assert.deepEqual(await Deno.readFile(victim), before);
    }));

  Deno.test(`${what}: a symlink in a folder of one's own is followed`, () =>
    inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/elsewhere`);
      await write(`${folder}/elsewhere/file`);
      await Deno.symlink(`${folder}/elsewhere/file`, `${folder}/file`);
      await write(`${folder}/file`);
      assert((await Deno.lstat(`${folder}/file`)).isSymlink);
    }));
}

for (const [what, write] of Object.entries(PRIVATE)) {
  Deno.test(`${what}: only its owner may read it and what lies beside it`, () =>
    inFolder(async (folder) => {
      await write(`${folder}/file`);
      const modes = [...Deno.readDirSync(folder)].map(({ name }) => [name, mode(`${folder}/${name}`)]);
      assert(modes.some(([name]) => name === "file"));
      assert.deepEqual(modes.filter(([, bits]) => bits !== 0o600), []);
    }));
}

const mode = (path: string): number => Deno.statSync(path).mode! & 0o777;

Deno.test("figures of /stats: never through a symlink in a folder for everybody, and a run goes on without", () =>
  inFolder(async (folder) => {
    const shared = `${folder}/shared`;
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o1777);
    await Deno.symlink(`${folder}/victim`, `${shared}/file`);
    const stats = {
      cursor: 1,
      totalReceived: 1,
      totalEvents: 1,
      eventCounts: {},
      lastEventTime: new Date(0).toISOString(),
    };
    await using log = await captureLog();
    await statsSaver(`${shared}/file`).save(stats);
    assert.match(log.lines.join(), /it is a symlink in a folder that everybody may write to/);
    await assert.rejects(Deno.lstat(`${folder}/victim`), Deno.errors.NotFound);
    await statsSaver(`${folder}/own`).save(stats);
    assert.equal(mode(`${folder}/own`), 0o600);
  }));

Deno.test("temporary files of megastream: only their owner may read them, and nobody can know their names", () =>
  inFolder(async (folder) => {
    await Deno.chmod(folder, 0o1777);
    const files = await tempFiles(folder);
    await using file = await files.make(".db");
    assert.equal(mode(file.path), 0o600);
    assert.match(file.path, /-[0-9a-f]{32}\.db$/);
  }));

Deno.test("a position is not set in a database behind a symlink in a folder for everybody", () =>
  inFolder(async (folder) => {
    const [victim, shared] = [`${folder}/victim.db`, `${folder}/shared`];
    await using sink = await sqliteSink({ path: victim });
    await put(sink, [commitEvent(1)], { key: "jetstream", cursor: "1" });
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o1777);
    await Deno.symlink(victim, `${shared}/file`);
    await assert.rejects(setCursor(`${shared}/file`, "jetstream", "2"), ConfigError);
    using db = new DatabaseSync(victim, { readOnly: true });
    assert.equal(db.prepare("SELECT cursor FROM cursors").get()!.cursor, "1");
  }));

Deno.test("a recording is a new file of its owner's alone, never one behind a symlink", () =>
  inFolder(async (folder) => {
    await Deno.symlink(`${folder}/victim`, `${folder}/link.rec`);
    const record = ["record", "jetstream", "--simulate", "-n", "1", "--out"];
    const [made, refused] = await Promise.all([
      run(folder, [...record, "new.rec"]),
      run(folder, [...record, "link.rec"]),
    ]);
    assert.equal(made.code, 0, made.stderr.join("\n"));
    assert.equal(mode(`${folder}/new.rec`), 0o600);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr.join(), /the file exists/);
    await assert.rejects(Deno.lstat(`${folder}/victim`), Deno.errors.NotFound);
  }));
