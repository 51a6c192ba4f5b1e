/**
 * The examples in the documentation of the MET connector, word for word. What they read is `simulate`; where the command line does not
 * name the server, the environment does.
 */
import assert from "node:assert/strict";
import {
  captureOf,
  type CaptureSummary,
  positionIn,
  queueIn,
  queueRows,
  recordsIn,
  rowSizes,
} from "../support/capture.ts";
import { filesIn, run, serve, type Server } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

const POST = "app.bsky.feed.post", LIKE = "app.bsky.feed.like", FOLLOW = "app.bsky.graph.follow";

/** What makes a command line without a server read this one. */
const reading = ({ host }: Server): Record<string, string> => ({
  BSKYINGEST_INSTANCE: `ws://${host}`,
  BSKYINGEST_RESOLVER_URL: `http://${host}`,
  BSKYINGEST_PLC_URL: `http://${host}`,
});

/** The DID of an account of the server. */
async function didOf({ host }: Server, handle: string): Promise<string> {
  const response = await fetch(`http://${host}/xrpc/com.atproto.identity.resolveHandle?handle=${handle}`);
  return (await response.json()).did;
}

/** What summary and file must have in common; answers the records. */
function assertCapture(summary: CaptureSummary, file: string, batchSize = 100) {
  const records = recordsIn(file);
  const sizes = rowSizes(file);
  const commits = records.filter(({ kind }) => kind === "commit");
  assert.deepEqual(
    { stored: summary.records_stored, counted: summary.records_counted, queue: summary.queue_length },
    { stored: records.length, counted: commits.length, queue: sizes.length },
  );
  assert.deepEqual(summary.collections, [...new Set(commits.map(({ collection }) => collection))].sort());
  assert.equal(summary.latest_cursor, records.at(-1)!.time_us);
  assert(sizes.every((size) => size <= batchSize));
  assert.deepEqual([summary.command, summary.sink, summary.error], ["connector", "queue", null]);
  const { state, time_us } = positionIn(file);
  assert.deepEqual([state, String(time_us) >= records.at(-1)!.time_us], ["done", true]);
  return records;
}

Deno.test("example: the defaults are 1,000 posts in rows of 100, and a summary for people", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  const { code, stdout, stderr } = await run(folder.path, ["connector"], reading(server));
  assert.deepEqual([code, stdout], [0, []], stderr.join("\n"));
  const file = queueIn(folder.path);
  const records = recordsIn(file);
  const commits = records.filter(({ kind }) => kind === "commit");
  assert.deepEqual([commits.length, new Set(commits.map(({ collection }) => collection))], [1000, new Set([POST])]);
  assert.equal(records.at(-1)!.kind, "commit");
  const sizes = rowSizes(file);
  const [wrote] = stderr.filter((line) => line.startsWith("Wrote "));
  assert(
    wrote!.startsWith(
      `Wrote ${records.length.toLocaleString("en-US")} events into queue/jetstream_sync.db (queue) in `,
    ),
  );
  assert(wrote!.endsWith(", ended by count"));
  assert.equal(stderr.at(-1), `counted 1,000 of 1,000, ${sizes.length} rows in the queue`);
  assert(
    stderr.some((line) => / run: queue queue\/jetstream_sync\.db \(the default\), live, no saved position$/.test(line)),
  );
});

Deno.test("example: the defaults with --json, and again into the same queue", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  const summary = captureOf(await run(folder.path, ["connector", "--json"], reading(server)));
  assertCapture(summary, queueIn(folder.path));
  const { target_reached, ended_by, end_cursor_reached, records_counted } = summary;
  assert.deepEqual([target_reached, ended_by, end_cursor_reached, records_counted], [true, "count", null, 1000]);
  const again = captureOf(await run(folder.path, ["connector", "--json"], reading(server)));
  assert.deepEqual(
    [recordsIn(queueIn(folder.path)).length, rowSizes(queueIn(folder.path)).length],
    [summary.records_stored + again.records_stored, again.queue_length],
  );
});

Deno.test("example: -c app.bsky.feed.like -c app.bsky.graph.follow -s 2024-01-01", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2024-01-01"]);
  const args = ["connector", "-c", LIKE, "-c", FOLLOW, "-s", "2024-01-01", "--json"];
  const summary = captureOf(await run(folder.path, args, reading(server)));
  const records = assertCapture(summary, queueIn(folder.path));
  assert.deepEqual(summary.collections, [LIKE, FOLLOW]);
  assert.deepEqual([summary.current_date, summary.records_counted], ["2024-01-01", 1000]);
  assert(Number(records[0]!.time_us) >= Date.UTC(2024, 0, 1) * 1000);
});

Deno.test("example: -d DID -d DID takes these accounts, posts and all that is not about records", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--accounts", "5"]);
  const dids = [await didOf(server, "user1.simulate.test"), await didOf(server, "user3.simulate.test")];
  const args = ["connector", "-d", dids[0]!, "-d", dids[1]!, "--json"];
  const summary = captureOf(await run(folder.path, args, reading(server)));
  const records = assertCapture(summary, queueIn(folder.path));
  assert.deepEqual([...new Set(records.map(({ did }) => did))].sort(), dids.sort());
  assert.deepEqual([summary.collections, summary.records_counted], [[POST], 1000]);
});

Deno.test("example: --queue-name custom_queue --batch-size 50", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  const args = ["connector", "--queue-name", "custom_queue", "--batch-size", "50", "--batch-timeout", "1h", "--json"];
  const summary = captureOf(await run(folder.path, args, reading(server)));
  assert.deepEqual(filesIn(`${folder.path}/queue`), ["custom_queue.db", "custom_queue.db.lock"]);
  const file = queueIn(folder.path, "custom_queue");
  const records = assertCapture(summary, file, 50);
  const sizes = rowSizes(file);
  assert.deepEqual(sizes, [...Array(sizes.length - 1).fill(50), records.length - 50 * (sizes.length - 1)]);
  assert.deepEqual(queueRows(file)[0]!.metadata.batch_size, 50);
});

Deno.test("example: -n 10000", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  const summary = captureOf(await run(folder.path, ["connector", "-n", "10000", "--json"], reading(server)));
  assertCapture(summary, queueIn(folder.path));
  assert.deepEqual([summary.records_counted, summary.target_reached, summary.ended_by], [10_000, true, "count"]);
});

Deno.test("example: -i HOST --compress", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  const end = await run(folder.path, ["connector", "-i", `ws://${server.host}`, "--compress", "--json"]);
  const summary = captureOf(end);
  const records = assertCapture(summary, queueIn(folder.path));
  assert(
    end.stderr.some((line) => line.includes(`Connected to ${server.host}`) && line.includes(", with zstd dictionary ")),
  );
  assert.equal(summary.source, server.host);
  const plain = records.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
  assert(summary.bytes_received < plain / 1.5, `${summary.bytes_received} of ${plain}`);
});

Deno.test("example: -u HANDLE", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--accounts", "5"]);
  const did = await didOf(server, "user2.simulate.test");
  const end = await run(folder.path, ["connector", "-u", "user2.simulate.test", "--json"], reading(server));
  const records = assertCapture(captureOf(end), queueIn(folder.path));
  assert(end.stderr.some((line) => line.endsWith(`user2.simulate.test = ${did}`)));
  assert.deepEqual(new Set(records.map((record) => record.did)), new Set([did]));
});
