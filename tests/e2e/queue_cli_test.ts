import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { hasOpen, startCli } from "../support/child.ts";
import { cliArgs, cliEnv } from "../support/cli.ts";
import { assertCalm, assertMisuse, type Ended, ended, filesIn, run, summaryOf, until } from "../support/program.ts";
import { oldQueue, queueWith, recordsIn, rowSizes, sql } from "../support/queue.ts";
import { inFolder } from "../support/temp.ts";

const CAPTURE = ["jetstream", "--simulate", "-c", "all", "--sink", "queue", "--batch-timeout", "1h"];

/** `bskyingest queue ...`, which must end with `code`. */
async function queue(folder: string, args: readonly string[], code = 0): Promise<string[]> {
  const end = await run(folder, ["queue", ...args]);
  assert.equal(end.code, code, end.stderr.join("\n"));
  assertCalm(end);
  return [...end.stdout];
}

/** The same with `--json`, of which it prints one object. */
async function json(folder: string, args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const lines = await queue(folder, [...args, "--json"], code);
  assert.equal(lines.length, 1);
  return JSON.parse(lines[0]!);
}

/** Makes `queue/q.db` with rows of one record. */
async function makeQueue(folder: string, rows: number): Promise<string> {
  Deno.mkdirSync(`${folder}/queue`, { recursive: true });
  await (await queueWith(`${folder}/queue/q.db`, rows))[Symbol.asyncDispose]();
  return `${folder}/queue/q.db`;
}

/** Lets a shell run a line in which `$B` is the program. */
async function shell(folder: string, line: string): Promise<Ended> {
  const program = [Deno.execPath(), ...cliArgs([])].map((word) => `'${word}'`).join(" ");
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `set -o pipefail; B() { ${program} "$@"; }; ${line}`],
    cwd: folder,
    env: cliEnv(folder),
    clearEnv: true,
  }).output();
  const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").filter((each) => each !== "");
  return { code, stdout: lines(stdout), stderr: lines(stderr) };
}

Deno.test("C9, C10, C30: a capture makes folder and queue for its owner only, in rows of the batch size", () =>
  inFolder(async (folder) => {
    const args = [...CAPTURE, "-n", "120", "--batch-size", "50", "--queue-name", "custom_queue", "--queue-dir", "a/b"];
    const summary = await summaryOf(folder, args);
    assert.deepEqual(summary.queue, { rows: 3, length: 3, backpressure: null });
    assert.deepEqual(rowSizes(`${folder}/a/b/custom_queue.db`), [50, 50, 20]);
    assert.equal(Deno.statSync(`${folder}/a/b`).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(`${folder}/a/b/custom_queue.db`).mode! & 0o777, 0o600);
    for (const name of ["../x", "a/b"]) {
      assertMisuse(await run(folder, [...CAPTURE, "--queue-name", name]), /^Cannot use queue name /);
    }
    assertMisuse(await run(folder, [...CAPTURE, "--queue-name", ""]), /queue-name/);
  }));

Deno.test("C30: --queue-dir under a file; BSKY_DATA_DIR names the folder above", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const end = await run(folder, [...CAPTURE, "-n", "1", "--queue-dir", "file/queue"]);
    assert.equal(end.code, 2, end.stderr.join("\n"));
    assertCalm(end);
    const second = await run(folder, [...CAPTURE, "-n", "1"], { BSKY_DATA_DIR: `${folder}/data` });
    assert.equal(second.code, 0, second.stderr.join("\n"));
    assert.ok(filesIn(folder).includes("data/queue/jetstream_sync.db"));
  }));

Deno.test("C15: a second writer exits 75 and names the first; consumers need no lock", () =>
  inFolder(async (folder) => {
    await using first = startCli(CAPTURE.slice(0, -2), { cwd: folder });
    await first.stderr.waitFor("Connected to");
    const second = await run(folder, [...CAPTURE, "-n", "1", "--state-key", "other"]);
    assert.equal(second.code, 75);
    assert.ok(second.stderr.some((line) => line.includes(`(pid ${first.pid} on ${Deno.hostname()})`)));
    const [row] = await queue(folder, ["take", "jetstream_sync", "--wait", "10s"]);
    const { receipt } = JSON.parse(row!);
    assert.deepEqual(await json(folder, ["ack", "jetstream_sync", receipt]), { done: [receipt], stale: [] });
    first.kill();
    assert.equal((await ended(first)).code, 0);
  }));

Deno.test("C20, C21: the work of a shell loop: take, ack, requeue, extend", () =>
  inFolder(async (folder) => {
    await makeQueue(folder, 4);
    const [one] = (await queue(folder, ["take", "q", "--lease", "60s", "--consumer", "me"])).map((line) =>
      JSON.parse(line)
    );
    assert.deepEqual(Object.keys(one), [
      "id",
      "receipt",
      "attempts",
      "leased_until",
      "created_at",
      "metadata",
      "payload",
    ]);
    assert.deepEqual([one.id, one.receipt, one.attempts, one.payload.length], [1, "1.1", 1, 1]);
    assert.equal(one.metadata.actual_batch_size, 1);
    assert.equal(new Date(one.leased_until).toISOString(), one.leased_until);
    const rows = (await queue(folder, ["take", "q", "-n", "2", "--records", "--lease", "1ms"])).map((line) =>
      JSON.parse(line)
    );
    assert.deepEqual(rows.map(({ batch_id, receipt, kind }) => [batch_id, receipt, kind]), [
      [2, "2.1", "commit"],
      [3, "3.1", "commit"],
    ]);
    assert.deepEqual(await json(folder, ["take", "q", "--extend", "1.1", "9.1", "--lease", "5m"], 1), {
      done: ["1.1"],
      stale: ["9.1"],
    });
    const again = await queue(folder, ["take", "q", "-n", "9"]);
    assert.deepEqual(again.map((line) => JSON.parse(line).receipt), ["2.2", "3.2", "4.1"]);
    assert.deepEqual(await json(folder, ["ack", "q", "2.1", "1.1"], 1), { done: ["1.1"], stale: ["2.1"] });
    assert.deepEqual(await queue(folder, ["ack", "q", "2.2", "--delete"]), ["2.2  done"]);
    assert.deepEqual(await json(folder, ["requeue", "q", "3.2", "--delay", "1h", "--error", "busy"]), {
      done: ["3.2"],
      stale: [],
    });
    assert.deepEqual(await json(folder, ["requeue", "q", "4.1", "--fail", "--error", "broken"]), {
      done: ["4.1"],
      stale: [],
    });
    assert.deepEqual(await queue(folder, ["take", "q"]), []);
    const listed = (await queue(folder, ["list", "q", "--json"])).map((line) => JSON.parse(line));
    assert.deepEqual(listed.map(({ id, status, last_error, consumer }) => [id, status, last_error, consumer]), [
      [1, "completed", null, "me"],
      [3, "pending", "busy", null],
      [4, "failed", "broken", null],
    ]);
    assert.deepEqual(await queue(folder, ["requeue", "q", "--status", "failed"]), ["Moved 1 rows to pending"]);
    const { queue: name, rows: counts, delayed } = await json(folder, ["stats", "q"]);
    assert.deepEqual([name, counts, delayed], ["q", { pending: 2, processing: 0, completed: 1, failed: 0 }, 1]);
  }));

Deno.test("receipts also come one a line on stdin", () =>
  inFolder(async (folder) => {
    await makeQueue(folder, 3);
    const line = `B queue take q -n 3 | sed 's/.*"receipt":"\\([^"]*\\)".*/\\1/' | B queue ack q - 7.7 --json`;
    const { code, stdout } = await shell(folder, line);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stdout[0]!), { done: ["1.1", "2.1", "3.1"], stale: ["7.7"] });
  }));

Deno.test("C29: a reader that has enough leaves no stack trace, and the lease ends later", () =>
  inFolder(async (folder) => {
    const file = await makeQueue(folder, 5_000);
    const { stdout, stderr, code } = await shell(folder, "B queue take q -n 5000 --records --lease 1ms | head -1");
    assert.deepEqual([stdout.length, code], [1, 0], stderr.join("\n"));
    assert.deepEqual(stderr, []);
    assert.equal(sql(file, "SELECT count(*) AS n FROM queue WHERE status = 'processing'")[0]!.n, 5_000);
    assert.equal((await queue(folder, ["take", "q"])).length, 1);
  }));

Deno.test("C28: purge of rows that nobody has worked on asks for --force", () =>
  inFolder(async (folder) => {
    await makeQueue(folder, 3);
    assertMisuse(
      await run(folder, ["queue", "purge", "q", "--status", "pending"]),
      /^Cannot purge pending rows without --force/,
    );
    assertMisuse(await run(folder, ["queue", "purge", "q"]), /^Cannot purge: --status is not set/);
    assert.deepEqual(await json(folder, ["purge", "q", "--status", "completed,failed", "--older-than", "1h"]), {
      removed: 0,
    });
    assert.deepEqual(await json(folder, ["purge", "q", "--status", "pending", "--force", "--keep", "1", "--vacuum"]), {
      removed: 2,
    });
  }));

Deno.test("C25: our commands work on the older tool's file", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/queue`);
    oldQueue(`${folder}/queue/old.db`, 2);
    assert.deepEqual(await queue(folder, ["list", "--json"]).then((lines) => lines.map((line) => JSON.parse(line))), [
      { queue: "old", file: "queue/old.db", bytes: Deno.statSync(`${folder}/queue/old.db`).size, rows: 2 },
    ]);
    const [row] = await queue(folder, ["take", "old", "--records"]);
    assert.equal(JSON.parse(row!).did, "did:plc:1");
    assert.equal((await summaryOf(folder, [...CAPTURE, "-n", "10", "--queue-name", "old"])).queue!.length, 3);
    assert.equal(recordsIn(`${folder}/queue/old.db`).length, 12);
  }));

Deno.test("what cannot be done is misuse: unknown queues, receipts without a command for them, options that exclude each other", () =>
  inFolder(async (folder) => {
    await makeQueue(folder, 1);
    for (
      const [args, expected] of [
        [["stats", "nope"], /^Cannot open queue queue\/nope\.db: there is no such file/],
        [["take", "../q"], /^Cannot use queue name/],
        [["take", "q", "1.1"], /^Cannot take "1\.1": take chooses the rows/],
        [["ack", "q"], /^Cannot tell which rows/],
        [["ack", "q", "x"], /^Cannot use receipt "x"/],
        [["requeue", "q", "1.1", "--status", "failed"], /^Cannot use receipts with --status/],
        [["requeue", "q", "1.1", "--older-than", "1h"], /^Cannot use --older-than without --status/],
        [["requeue", "q", "--status", "failed", "--fail"], /--status/],
        [["list", "--queue-dir", "none"], /^Cannot read the folder none: no such file/],
      ] as const
    ) {
      const end = await run(folder, ["queue", ...args]);
      assert.equal(end.code, 2, args.join(" "));
      assert.match(end.stderr[0]!, expected);
    }
    assert.equal(sql(`${folder}/queue/q.db`, "SELECT status FROM queue")[0]!.status, "pending");
  }));

Deno.test("C26: a queue that another program has locked is waited for", () =>
  inFolder(async (folder) => {
    const file = await makeQueue(folder, 1);
    using other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    await using child = startCli(["queue", "take", "q"], { cwd: folder });
    await until(() => hasOpen(child.pid, file), "the child to open the queue");
    assert.equal(child.stdout.lines.length, 0);
    other.exec("COMMIT");
    const { code, stdout } = await ended(child);
    assert.deepEqual([code, stdout.length], [0, 1]);
  }));

Deno.test("C32: at --queue-max-bytes reading pauses, and goes on after a purge", () =>
  inFolder(async (folder) => {
    const args = ["--queue-max-bytes", "1MiB", "-n", "4000", "--max-in-flight", "500", "--json"];
    await using child = startCli([...CAPTURE.slice(0, -2), ...args], { cwd: folder });
    await child.stderr.waitFor(/jetstream_sync\.db is full/);
    const file = `${folder}/queue/jetstream_sync.db`;
    const records = new Set<string>();
    await until(() => {
      for (const { payload } of sql(file, "DELETE FROM queue RETURNING payload")) {
        for (const { created_at: _, ...record } of JSON.parse(payload as string)) records.add(JSON.stringify(record));
      }
      return records.size === 4000;
    }, "4000 records");
    const { code, stdout } = await ended(child);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout[0]!).written, 4000);
  }));

Deno.test("cursor commands look into the queue", () =>
  inFolder(async (folder) => {
    await summaryOf(folder, [...CAPTURE, "-n", "10", "--state-key", "k"]);
    const shown = await run(folder, ["cursor", "show", "--sink", "queue", "--json"]);
    assert.equal(JSON.parse(shown.stdout[0]!).key, "k");
    assert.equal((await run(folder, ["cursor", "clear", "k", "--sink", "queue"])).code, 0);
    assert.deepEqual(sql(`${folder}/queue/jetstream_sync.db`, "SELECT * FROM cursors"), []);
  }));

Deno.test("a dry run makes no queue and leaves one that is there as it is", () =>
  inFolder(async (folder) => {
    const args = [...CAPTURE, "-n", "10"];
    assert.equal((await summaryOf(folder, [...args, "--dry-run"])).would_write, 10);
    assert.deepEqual(filesIn(folder), []);
    await summaryOf(folder, args);
    const before = Deno.readFileSync(`${folder}/queue/jetstream_sync.db`);
    await summaryOf(folder, [...args, "--dry-run"]);
    assert.deepEqual(Deno.readFileSync(`${folder}/queue/jetstream_sync.db`), before);
  }));
