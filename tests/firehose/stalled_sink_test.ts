import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { range } from "../support/jetstream_run.ts";
import { commit } from "../support/live_run.ts";
import { ended, parseSummary, run, until } from "../support/program.ts";
import { sharedRedis } from "../support/redis.ts";
import { serviceTest } from "../support/services.ts";
import { askedOf } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const redis = sharedRedis();
const STREAM = "firehose_live";
const MB = 1_000_000;

/** Frames in all; the server gives up on the client behind `CUT`. */
const FRAMES = 18_000, CUT = 15_000;
/** As large as a real one is on average, most of which are blocks of the tree. */
const FRAME_BYTES = 5458;
/** How long nobody takes anything out of the stream. Memory that grows for five minutes grows in these seconds, too. */
const STALL_MS = 20_000;
const [MARK, BATCH] = [1000, 500];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes everything out of the stream until so many entries came; answers their numbers. */
async function drain(count: number): Promise<number[]> {
  const seqs: number[] = [];
  while (seqs.length < count) {
    const found: [string, [string, string]][] = await redis().command("XRANGE", STREAM, "-", "+", "COUNT", "500");
    seqs.push(...found.map(([, [, value]]) => JSON.parse(value).seq));
    if (found.length > 0) await redis().command("XDEL", STREAM, ...found.map(([id]) => id));
    else await pause(20);
  }
  return seqs;
}

serviceTest(
  `F44: a sink that stands still for ${
    STALL_MS / 1000
  } s: memory stays, the relay cannot send on, and after ConsumerTooSlow nothing is lost`,
  ["redis"],
  async () => {
    using folder = tempFolder();
    const ops = [{ record: { text: "x".repeat(300) } }];
    const tree = new Uint8Array(FRAME_BYTES - commit(1, ops).length);
    const frames = range(1, FRAMES).map((seq) => commit(seq, ops, { tree }));
    await using server = await startSimulate({
      frames,
      writeLimitMs: 10 * STALL_MS, // it is to complain, and not to cut
      onRequest: ({ n }) => n === 1 ? { errorFrame: { after: CUT, name: "ConsumerTooSlow" } } : {},
    });
    const { counters } = server;
    await using child = startCli([
      ...["firehose", "--relay-hosts", server.relay, "--cursor", "oldest", "--until", String(FRAMES), "--json"],
      ...["--sink", "redis", "--redis-url", redis().url, "--backpressure-interval", "200ms"],
      ...["--high-water-mark", String(MARK), "--batch-size", String(BATCH)],
    ], { cwd: folder.path });

    await child.stderr.waitFor(`Stream ${STREAM} is full`);
    let sent = -1, since = Date.now();
    await until(() => {
      if (counters.bytes !== sent) [sent, since] = [counters.bytes, Date.now()];
      return Date.now() - since > 2000;
    }, "the relay's sends to stall");
    const before = child.peakRssBytes();
    await pause(STALL_MS);
    assert.equal(counters.bytes, sent, "not a byte more was sent");
    assert(counters.events < CUT, `${counters.events} frames were sent to a reader that stood still`);
    const length = await redis().command("XLEN", STREAM);
    assert(length >= MARK && length <= MARK + BATCH, `${length} entries`);
    const after = child.peakRssBytes();
    if (before !== undefined && after !== undefined) {
      // The relay has some 80 MB left to send; what is found here is the garbage of asking the sink again and again.
      assert(after - before < 50 * MB, `grown by ${(after - before) / MB} MB`);
    }

    assert.deepEqual(await drain(FRAMES), range(1, FRAMES));
    const peak = child.peakRssBytes();
    if (peak !== undefined) assert(peak <= 300 * MB, `${peak / MB} MB`);
    const end = await ended(child);
    const { written, duplicates, gaps } = parseSummary(end);
    assert.deepEqual([written, duplicates, gaps, askedOf(end)], [FRAMES, 0, 1, ["from 0", `from ${CUT}`]]);
    const { stdout } = await run(folder.path, ["gaps", "list", "--all", "--json"]);
    const rows = stdout.map((line) => JSON.parse(line)).map(({ reason, from, state }) => [reason, from, state]);
    assert.deepEqual(rows, [["consumer_too_slow", CUT + 1, "healed"]]);
    console.log(`peak ${Math.round((peak ?? 0) / MB)} MB, ${Math.round(sent / MB)} MB were sent before the stall`);
  },
);
