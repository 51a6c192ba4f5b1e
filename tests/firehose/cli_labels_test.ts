import assert from "node:assert/strict";
import { fromHex } from "../../lib/atproto/test_frames.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { assertMisuse, run, summaryOf } from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { readBack } from "../support/sqlite.ts";
import { cursorsIn, dbIn, eventsIn } from "../support/stream_run.ts";
import { tempFolder } from "../support/temp.ts";

const SRC = "did:plc:labelerlabelerlabelerlab", URI = "at://did:plc:b/app.bsky.feed.post/1";
/** A label, set so many seconds after the others. */
const label = (seconds: number, more: Readonly<Record<string, unknown>> = {}) => ({
  src: SRC,
  uri: URI,
  val: "spam",
  cts: `2026-07-04T14:38:0${seconds}.517Z`,
  ...more,
});
const from = (relay: string, ...more: string[]) => ["labeler", "--labeler-hosts", relay, ...more];
const viewOf = (folder: string) =>
  readBack(dbIn(folder), "SELECT uri, val, cid, cts FROM labels ORDER BY position").map((row) => Object.values(row));

realTest("F55: real and odd labels arrive as they were sent, the oldest first", ["synthetic_frames.json"], async ([
  path,
]) => {
  using folder = tempFolder();
  const hex: Record<string, string> = JSON.parse(Deno.readTextFileSync(path!));
  const names = ["label_real_signed", "label_neg_unsigned", "label_two_with_exp", "label_empty"];
  await using server = await startSimulate({ labelFrames: names.map((name) => fromHex(hex[name]!)) });
  const { written } = await summaryOf(folder.path, from(server.relay, "--until", "4"));
  assert.equal(written, 4);
  const labels = eventsIn(folder.path).map((text) => JSON.parse(text).label);
  assert.deepEqual(labels.map(({ neg, exp, sig }) => [neg, exp, typeof sig]), [
    [undefined, undefined, "object"],
    [true, undefined, "undefined"],
    [undefined, "2025-10-23T17:51:21Z", typeof labels[2].sig],
    [undefined, undefined, typeof labels[3].sig],
  ]);
  assert.deepEqual(cursorsIn(folder.path), { [`label_live:cursor:${new URL(server.relay).host}`]: "4" });
  const uris = viewOf(folder.path).map(([uri]) => uri);
  assert.equal(uris.includes(labels[2].uri) && labels[2].uri !== labels[3].uri, false, "it has expired");
});

Deno.test("F57, S17: the view labels shows what is in force; a label that says nothing is dead, its siblings live", async () => {
  using folder = tempFolder();
  const spam = [label(1), label(2, { neg: true }), label(3)];
  const expired = label(1, { uri: `${URI}x`, exp: "2020-01-01T00:00:00Z" });
  const retracted = [label(1, { val: "rude" }), label(2, { val: "rude", neg: true })];
  const cids = ["bafya", "bafyb"].map((cid) => label(4, { val: "nude", cid }));
  const { src: _, ...nobody } = label(1, { val: "porn" });
  await using server = await startSimulate({
    labelFrames: [
      labelsFrame(1, [spam[0], expired, retracted[0]]),
      labelsFrame(2, [spam[1], nobody, retracted[1]]),
      labelsFrame(4, [spam[2], ...cids]),
      labelsFrame(7, []),
    ],
  });
  const { written, dead_lettered, cursor } = await summaryOf(
    folder.path,
    from(server.relay, "--until", "7", "--max-dead-ratio", "1"),
    3,
  );
  assert.deepEqual([written, dead_lettered, cursor], [8, 1, 7]);
  assert.deepEqual(viewOf(folder.path), [
    [URI, "spam", null, spam[2]!.cts],
    [URI, "nude", "bafya", label(4).cts],
    [URI, "nude", "bafyb", label(4).cts],
  ]);
  const { stdout } = await run(folder.path, ["dead-letter", "list", "--json", "--state-key", "labeler"]);
  const [{ reason, position }] = stdout.map((line) => JSON.parse(line));
  assert.deepEqual([stdout.length, reason, position], [1, "label-field", "1"]);
});

Deno.test("the labels of two labelers in --simulate and in one database; a labeler must be a host", async () => {
  using folder = tempFolder();
  const { written } = await summaryOf(folder.path, ["labeler", "--simulate", "-n", "200"]);
  assert(written >= 200, `${written} labels`);
  const made = (src: string) => startSimulate({ labelFrames: [labelsFrame(1, [label(1, { src })])] });
  await using a = await made(`${SRC}a`);
  await using b = await made(`${SRC}b`);
  await summaryOf(folder.path, from(`${a.relay},${b.relay}`, "-n", "2", "--db", "two.db"));
  const rows = readBack(`${folder.path}/two.db`, "SELECT src FROM labels ORDER BY src");
  assert.deepEqual(rows, [{ src: `${SRC}a` }, { src: `${SRC}b` }]);
  assertMisuse(
    await run(folder.path, from("a.example/labels")),
    /^Cannot use host "a\.example\/labels": .*without a path/,
  );
});
