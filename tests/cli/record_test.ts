import assert from "node:assert/strict";
import { cliArgs, cliEnv, runCli } from "../support/cli.ts";
import { tempFolder } from "../support/temp.ts";

const SIMULATED = ["record", "jetstream", "--simulate", "-c", "all"];

/** The `cursor`s of all events that a replay of `file` prints, and what it says. */
async function replayed(folder: string, file: string): Promise<{ seqs: number[]; warnings: string[] }> {
  const { code, stdout, stderr } = await runCli(["replay", file, "--sink", "stdout"], { cwd: folder });
  assert.equal(code, 0, stderr);
  const seqs = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).cursor as number);
  return { seqs, warnings: stderr.split("\n").filter((line) => / warning /.test(line)) };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

function start(args: readonly string[], folder: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: cliArgs(args),
    env: cliEnv(folder),
    clearEnv: true,
    cwd: folder,
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** Resolves once the file has grown `times` times. */
async function grown(path: string, times: number): Promise<void> {
  let size = 0, seen = 0;
  const deadline = Date.now() + 20_000;
  while (seen < times) {
    assert.ok(Date.now() < deadline, `${path} has grown ${seen} times only`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const info = await Deno.stat(path).catch(() => undefined);
    if (info === undefined || info.size <= size) continue;
    size = info.size;
    seen++;
  }
}

Deno.test("record: -n messages into a file named after command and time, with a summary", async () => {
  using folder = tempFolder();
  const { code, stdout, stderr } = await runCli([...SIMULATED, "-n", "700", "--json"], { cwd: folder.path });
  assert.equal(code, 0, stderr);
  const { command, source, format, file, received, bytes_written, ended_by, exit } = JSON.parse(stdout);
  assert.deepEqual({ command, source, format, received, ended_by, exit }, {
    command: "record jetstream",
    source: "simulate",
    format: "recording",
    received: 700,
    ended_by: "count",
    exit: 0,
  });
  assert.match(file, /^jetstream-\d{8}T\d{6}Z\.rec\.zst$/);
  const { size, mode } = Deno.statSync(`${folder.path}/${file}`);
  assert.deepEqual([size, mode! & 0o777], [bytes_written, 0o600]);
  assert.deepEqual((await replayed(folder.path, file)).seqs, upTo(700));
});

Deno.test("T7: a file that exists is exit 2 and stays as it is", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.rec`;
  Deno.writeTextFileSync(path, "mine");
  const { code, stdout, stderr } = await runCli([...SIMULATED, "-n", "5", "--out", path, "--json"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(stderr, `Cannot record to ${path}: the file exists\nName a new file with --out\n`);
  assert.equal(Deno.readTextFileSync(path), "mine");
});

Deno.test("record: --out - is the recording alone on stdout, the summary goes to stderr", async () => {
  const args = [...SIMULATED, "-n", "50", "--format", "ndjson", "--out", "-", "--json"];
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trimEnd().split("\n").map((line) => JSON.parse(line).cursor), upTo(50));
  assert.equal(JSON.parse(stderr.trimEnd().split("\n").at(-1)!).received, 50);
});

Deno.test("record: --dry-run makes no file and says what would have been recorded", async () => {
  using folder = tempFolder();
  const { code, stderr } = await runCli([...SIMULATED, "-n", "50", "--dry-run", "--out", "x.gz"], { cwd: folder.path });
  assert.equal(code, 0);
  assert.match(stderr, /Would record 50 messages /);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("record: where no connection comes about in time, exit 1 and no empty file stays behind", async () => {
  using folder = tempFolder();
  const args = ["record", "jetstream", "--url", "ws://127.0.0.1:9/subscribe", "-t", "1", "--out", "x.rec", "--json"];
  const { code, stdout } = await runCli(args, { cwd: folder.path });
  const { exit, ended_by, received } = JSON.parse(stdout);
  assert.deepEqual({ code, exit, ended_by, received }, { code: 1, exit: 1, ended_by: "error", received: 0 });
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("record: a signal ends it with everything that came, exit 0", async () => {
  using folder = tempFolder();
  const child = start([...SIMULATED, "--out", "x.jsonl.gz", "--format", "ndjson"], folder.path);
  await grown(`${folder.path}/x.jsonl.gz`, 1);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  const { seqs, warnings } = await replayed(folder.path, "x.jsonl.gz");
  assert.ok(seqs.length > 100);
  assert.deepEqual(seqs, upTo(seqs.length));
  assert.deepEqual(warnings, []);
});

Deno.test("T8: killed, a recording has all but its last second; without its last byte, one more second and one warning", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.rec.zst`;
  const child = start([...SIMULATED, "--out", path], folder.path);
  await grown(path, 2);
  child.kill("SIGKILL");
  await child.status;
  const { seqs, warnings } = await replayed(folder.path, path);
  assert.ok(seqs.length > 100);
  assert.deepEqual(seqs, upTo(seqs.length));
  assert.deepEqual(warnings, []);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  const cut = await replayed(folder.path, path);
  assert.ok(cut.seqs.length > 100 && cut.seqs.length < seqs.length, `${cut.seqs.length} of ${seqs.length}`);
  assert.deepEqual(cut.seqs, upTo(cut.seqs.length));
  assert.equal(cut.warnings.length, 1, cut.warnings.join("\n"));
});
