import assert from "node:assert/strict";
import { readFrameHeader } from "../../lib/net/zstd/header.ts";
import { SIMULATE_DICTIONARY_ID, V2_DICTIONARY_ID } from "../../lib/net/zstd/ids.ts";
import { decodeFrames, receive, receiveFrames } from "../../lib/simulate/test_client.ts";
import {
  askedFor,
  assertCalm,
  assertMisuse,
  ended,
  parseSummary,
  rowsIn,
  run,
  serve,
  summaryOf,
} from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { readBack } from "../support/sqlite.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("T3: two processes with the same numbers serve the same bytes, on both wires, plain and as zstd", async () => {
  using folder = tempFolder();
  const same = ["--epoch", "2026-01-01", "--rng", "7"];
  await using a = await serve(folder.path, same);
  await using b = await serve(folder.path, same);
  await using other = await serve(folder.path, ["--epoch", "2026-01-01", "--rng", "8"]);
  const streams = [
    ["v1", "", receive],
    ["v2", "", receive],
    ["v1", "&compress=true", receiveFrames],
    ["v2", `&zstdDictionary=${SIMULATE_DICTIONARY_ID}`, receiveFrames],
  ] as const;
  for (const [wire, query, take] of streams) {
    const [first, second, third] = await Promise.all(
      [a, b, other].map((server) => take(`${server[wire]}?cursor=1${query}`, 5000)),
    );
    assert.equal(new Set(first!.map(String)).size, 5000);
    assert.deepEqual(second, first);
    assert.notDeepEqual(third, first);
  }
});

realTest("simulate --zstd-dictionary: frames of both wires name that dictionary", [
  "subscribe_events_20260811.zdict",
], async ([zdict]) => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--zstd-dictionary", zdict!, "--epoch", "2026-01-01"]);
  const dictionary = Deno.readFileSync(zdict!);
  for (const url of [`${server.v1}?compress=true&cursor=1`, `${server.v2}?zstdDictionary=20260811&cursor=1`]) {
    const frames = await receiveFrames(url, 100);
    assert.equal(readFrameHeader(frames[0]!).dictionaryId, V2_DICTIONARY_ID);
    const plain = await receive(url.replace(/compress=true|zstdDictionary=20260811/, ""), 100);
    assert.deepEqual(await decodeFrames(frames, dictionary), plain);
  }
});

Deno.test("simulate --zstd-dictionary: a file that is none is refused", async () => {
  using folder = tempFolder();
  const args = ["simulate", "--serve", "127.0.0.1:0", "--zstd-dictionary"];
  assertMisuse(await run(folder.path, [...args, "missing.zdict"]), /missing\.zdict/);
  Deno.writeTextFileSync(`${folder.path}/junk.zdict`, "no dictionary at all");
  assertMisuse(await run(folder.path, [...args, "junk.zdict"]), /^Cannot use zstd dictionary junk\.zdict: it is none/);
});

Deno.test("simulate says where it listens, ends with 0 at a signal, and refuses an address that is taken", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  assert.equal(server.v1, `ws://${server.host}/subscribe`);
  assert.equal(server.v2, `ws://${server.host}/xrpc/network.bsky.jetstream.subscribeEvents`);
  const second = await run(folder.path, ["simulate", "--serve", server.host]);
  assertMisuse(second, /^Cannot listen on 127\.0\.0\.1:\d+: the address is in use/);
  server.child.kill("SIGINT");
  const { code, stdout, stderr } = await ended(server.child);
  assert.deepEqual([code, stdout.length, stderr], [0, 1, []]);
  assertMisuse(await run(folder.path, ["simulate", "missing.jsonl"]), /^Cannot read events of missing\.jsonl: /);
  Deno.writeTextFileSync(`${folder.path}/bad.jsonl`, "{}\n");
  assertMisuse(await run(folder.path, ["simulate", "bad.jsonl"]), /^bad\.jsonl: Cannot read event in line 1: /);
});

/** Each fault option, and what a run that wants 100 events does about it. */
const FAULTS: readonly {
  readonly faults: readonly string[];
  readonly args?: readonly string[];
  readonly wire?: "v1" | "v2";
  readonly reconnects: number;
  readonly says: RegExp;
}[] = [
  { faults: ["--close-after", "40"], reconnects: 2, says: /closed with 1006\. Connecting/ },
  { faults: ["--close-after", "40", "--close-code", "1011"], reconnects: 2, says: /closed with 1011/, wire: "v2" },
  { faults: ["--stall-after", "60"], args: ["--idle-timeout", "1s"], reconnects: 1, says: /no events within the idle/ },
  { faults: ["--refuse", "503:1", "--retry-after", "1"], reconnects: 0, says: /HTTP 503: .*in 1\d\d\d ms/ },
  { faults: ["--refuse", "429:1"], reconnects: 0, says: /HTTP 429: .*Connecting to/ },
  {
    faults: ["--error-frame", "60:InternalError"],
    reconnects: 1,
    says: /stream: InternalError: stream read/,
    wire: "v2",
  },
];

for (const { faults, args = [], wire = "v1", reconnects, says } of FAULTS) {
  Deno.test(`T5: simulate ${faults.join(" ")}: all events in order, once`, async () => {
    using folder = tempFolder();
    await using server = await serve(folder.path, ["--epoch", "2026-01-01", ...faults]);
    const asked = ["jetstream", "--url", server[wire], "-c", "all", "--cursor", "1", "-n", "100", "--json"];
    const end = await run(folder.path, [...asked, ...args]);
    const summary = parseSummary(end);
    assert.deepEqual([summary.written, summary.reconnects, summary.gaps], [100, reconnects, 0]);
    assert.match(end.stderr.join("\n"), says);
    const sql = "SELECT count(*) AS n, sum(seq = position) AS in_place FROM events";
    assert.deepEqual(readBack(`${folder.path}/bskyingest.db`, sql), [{ n: 100, in_place: 100 }]);
  });
}

Deno.test("T5: --error-frame ConsumerTooSlow leaves a healed gap", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01", "--error-frame", "60:ConsumerTooSlow"]);
  const args = ["jetstream", "--url", server.v2, "-c", "all", "--cursor", "1", "-n", "100"];
  assert.equal((await summaryOf(folder.path, args)).reconnects, 1);
  assert.equal(rowsIn(`${folder.path}/bskyingest.db`), 100);
  const gaps = readBack(`${folder.path}/bskyingest.db`, "SELECT reason, state FROM gaps");
  assert.deepEqual(gaps, [{ reason: "consumer_too_slow", state: "healed" }]);
});

Deno.test("T5: --refuse for good: exit 2 with the server's words", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--refuse", "400"]);
  const end = await run(folder.path, ["jetstream", "--url", server.v2, "--json"]);
  assertCalm(end);
  assert.deepEqual([end.code, end.stdout, askedFor(end)], [2, [], []]);
  assert.match(end.stderr.join("\n"), /^Cannot subscribe at 127.*: HTTP 400: .*"InvalidRequest"/m);
});

Deno.test("T5: protocol errors without an end: exit 1, no stack trace", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, [
    "--epoch",
    "2026-01-01",
    "--close-after",
    "1",
    "--close-code",
    "1002",
  ]);
  const args = ["jetstream", "--url", server.v1, "-c", "all", "--cursor", "1", "--json", "--batch-timeout", "10ms"];
  const end = await run(folder.path, args);
  assertCalm(end);
  const { written, error } = parseSummary(end, 1);
  assert.equal(written, 1, "the event before the first close is safe");
  assert.match(error!, /^Cannot read from .*: the server closed with 1002.*, three times in a row on every host$/);
});
