import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { loadFrames, startSimulate } from "../../lib/simulate/server.ts";
import { frameHead } from "../../lib/sources/replay/format.ts";
import { startCli } from "../support/child.ts";
import { commit, commits } from "../support/live_run.ts";
import { assertMisuse, rowsIn, run, summaryOf, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { realTest } from "../support/real_data.ts";
import { dbIn, eventsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

/** The lines of the events that a replay of a file prints, and its warnings. */
async function replayed(folder: string, file: string, ...more: string[]) {
  const end = await run(folder, ["replay", file, "--sink", "stdout", ...more]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  return { lines: end.stdout, warnings: end.stderr.filter((line) => / warning /.test(line)) };
}

const seqsOf = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).cursor as number);
const from1 = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const firehose = (relay: string, ...more: string[]) => ["record", "firehose", "--relay-hosts", relay, ...more];

realTest(
  "T7, T9: the real frames, recorded in both formats, plain and compressed, are 152 events when they are replayed",
  [
    "frames.bin.zst",
  ],
  async ([path]) => {
    using folder = tempFolder();
    const direct = await replayed(folder.path, path!);
    assert.equal(direct.lines.length, 152);
    await using server = await startSimulate({ frames: await loadFrames(path!) });
    for (const format of ["recording", "frames"]) {
      for (const end of ["", ".gz", ".zst"]) {
        const out = `${format}.rec${end}`;
        const args = firehose(server.relay, "--cursor", "oldest", "-n", "150", "--format", format, "--out", out);
        const { code, stdout, stderr } = await run(folder.path, [...args, "--json"]);
        assert.equal(code, 0, stderr.join("\n"));
        const { received, ended_by } = JSON.parse(stdout[0]!);
        assert.deepEqual([received, ended_by], [150, "count"]);
        assert.deepEqual((await replayed(folder.path, out)).lines, direct.lines, out);
      }
    }
    const ended = await run(folder.path, [
      ...firehose(server.relay, "--cursor", "oldest", "--until", "31527015471"),
      "--json",
    ]);
    const { received, ended_by, format } = JSON.parse(ended.stdout[0]!);
    assert.deepEqual([received, ended_by, format], [150, "until", "recording"]);
    const rows = await summaryOf(folder.path, ["replay", "recording.rec.zst", "-c", "app.bsky.*,chat.bsky.*"]);
    assert.deepEqual([rows.received, rows.written, rows.filtered, rows.ended_by], [152, 151, 1, "source"]);
  },
);

Deno.test("T7: record firehose: a file that exists, a format that holds no frames, two hosts: exit 2", async () => {
  using folder = tempFolder();
  await using server = await startSimulate({ frames: commits(1, 5) });
  Deno.writeTextFileSync(`${folder.path}/x.rec`, "mine");
  const wrong = (...args: string[]) =>
    run(folder.path, firehose(server.relay, "--cursor", "oldest", "-n", "5", ...args));
  assertMisuse(await wrong("--out", "x.rec"), /^Cannot record to x\.rec: the file exists/);
  assertMisuse(
    await wrong("--out", "y.jsonl", "--format", "ndjson"),
    /^Cannot record a message as a line: it is binary/,
  );
  assertMisuse(await wrong("--relay-hosts", "http://127.0.0.1:9"), /together: a recording has one host/);
  assert.equal(Deno.readTextFileSync(`${folder.path}/x.rec`), "mine");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["x.rec"]);
});

Deno.test("record firehose, record labeler: live, into files named after command and time, and from the oldest frame", async () => {
  using folder = tempFolder();
  const { code, stderr } = await run(folder.path, ["record", "firehose", "--simulate", "-n", "40"]);
  assert.equal(code, 0, stderr.join("\n"));
  assert.match(stderr.at(-1)!, /^Recorded 40 messages .* to firehose-\d{8}T\d{6}Z\.rec\.zst .* ended by count$/);
  const [file] = [...Deno.readDirSync(folder.path)].map(({ name }) => name).filter((name) =>
    name.startsWith("firehose")
  );
  assert((await replayed(folder.path, file!)).lines.length >= 30);

  const label = (n: number) => ({
    src: "did:plc:b",
    uri: `at://did:plc:b/${n}`,
    val: "spam",
    cts: "2026-07-04T14:38:01Z",
  });
  await using server = await startSimulate({
    labelFrames: [labelsFrame(1, [label(1)]), labelsFrame(2, [label(2), label(3)])],
  });
  const args = [
    "record",
    "labeler",
    "--labeler-hosts",
    server.relay,
    "--cursor",
    "oldest",
    "-n",
    "2",
    "--out",
    "l.rec",
  ];
  assert.equal((await run(folder.path, args)).code, 0);
  const { lines } = await replayed(folder.path, "l.rec");
  assert.deepEqual(lines.map((line) => JSON.parse(line).label), [label(1), label(2), label(3)]);
});

Deno.test("T8: a recording of frames that was killed, its last byte cut off, has all that came before, and one warning", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/x.rec.zst`;
  const count = 4000;
  await using server = await startSimulate({ frames: commits(1, count), rate: 1000 });
  await using child = startCli(firehose(server.relay, "--cursor", "oldest", "--out", path), { cwd: folder.path });
  let size = 0, grown = 0;
  await until(() => {
    const now = sizeOf(path);
    if (now > size) grown++;
    size = Math.max(size, now);
    return grown >= 2;
  }, "two flushes");
  child.kill("SIGKILL");
  await child.status;
  const whole = await replayed(folder.path, path);
  assert(whole.lines.length > 100 && whole.lines.length < count, `${whole.lines.length} of ${count}`);
  assert.deepEqual([seqsOf(whole.lines), whole.warnings], [from1(whole.lines.length), []]);
  Deno.truncateSync(path, sizeOf(path) - 1);
  const cut = await replayed(folder.path, path);
  assert(cut.lines.length > 0 && cut.lines.length < whole.lines.length);
  assert.deepEqual([seqsOf(cut.lines), cut.warnings.length], [from1(cut.lines.length), 1]);
});

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

Deno.test("T11: a replay of frames that is killed again and again writes every event once, a complete one adds all again", async () => {
  using folder = tempFolder();
  const random = randomFrom(startNumber("kill -9 of a replay of frames"));
  const count = 3000;
  // 6 s of event time: at its speed it does not come to its end between the blows.
  const timed = from1(count).map((seq) => commit(seq, undefined, { time: new Date(1e12 + seq * 2).toISOString() }));
  Deno.writeFileSync(`${folder.path}/x.bin`, Buffer.concat(timed.flatMap((each) => [frameHead(each.length), each])));
  const args = ["replay", "x.bin", "--batch-size", "50", "--batch-timeout", "5ms"];
  for (let kill = 0; kill < 5; kill++) {
    await using child = startCli([...args, "--speed", "1"], { cwd: folder.path });
    await child.stderr.waitFor("run: sqlite");
    assert.equal((await child.killWithin(700, random)).signal, "SIGKILL");
  }
  const rows = rowsIn(dbIn(folder.path));
  assert(rows > 0 && rows < count, `${rows} rows after all kills`);
  for (const times of [1, 2]) {
    assert.equal((await run(folder.path, args)).code, 0);
    const seqs = seqsOf(eventsIn(folder.path));
    assert.deepEqual(seqs, Array(times).fill(from1(count)).flat());
  }
});
