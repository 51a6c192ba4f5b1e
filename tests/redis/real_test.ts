import assert from "node:assert/strict";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { splitFrame } from "../../lib/atproto/frame.ts";
import { frameEvents } from "../../lib/atproto/frame_events.ts";
import { decodeLabelMessage, labelEvents, type LabelsMessage } from "../../lib/atproto/label.ts";
import { decodeRepoMessage, type NumberedMessage } from "../../lib/atproto/repo_message.ts";
import { framesOfFile, fromHex } from "../../lib/atproto/test_frames.ts";
import { redisSink } from "../../lib/sinks/redis.ts";
import { isStreamed, type StreamFormat } from "../../lib/transforms/stream_events.ts";
import { realTest } from "../support/real_data.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { isInstalled } from "../support/services.ts";
import { CURSOR, KEY } from "../support/redis_sink.ts";
import { put } from "../support/sqlite.ts";

/** Registers a test that needs both the real files and a server. */
function redisRealTest(
  name: string,
  files: readonly string[],
  fn: (redis: RedisServer, paths: readonly string[]) => Promise<void>,
): void {
  if (!isInstalled("redis")) return Deno.test.ignore(`${name} (skipped: scripts/services install redis)`, () => {});
  realTest(name, files, async (paths) => {
    await using redis = await startRedis();
    await fn(redis, paths);
  });
}

const COMMITS_OF_BLUESKY = /^(app|chat)\.bsky\./;

function eventsOf(frame: Uint8Array, format: StreamFormat): AnyEvent[] {
  const split = splitFrame(frame);
  assert(split.kind === "message");
  const message = decodeRepoMessage(split.type, split.body) as NumberedMessage;
  const { events } = frameEvents(message, {
    origin: { source: "firehose", wire: "relay", host: "bsky.network" },
    filter: {
      kinds: new Set(["commit", "identity", "account"]),
      ...(format === "rsky" && { collections: (name: string) => COMMITS_OF_BLUESKY.test(name) }),
    },
    verify: "blocks",
    now: Date.now,
  });
  return events.filter((event) => isStreamed(event, format));
}

const linesOf = (path: string) => Deno.readTextFileSync(path).trimEnd().split("\n");

redisRealTest("R1: the real frames as entries of format bsky, and the position", [
  "frames.bin.zst",
  "stream_events_bsky.jsonl",
], async (redis, [frames, lines]) => {
  await using sink = await redisSink({ connection: { url: redis.url } });
  await put(sink, framesOfFile(frames!).flatMap((frame) => eventsOf(frame, "bsky")), {
    key: KEY,
    cursor: "31527015471",
  });
  const entries = await redis.entries("firehose_live");
  assert.deepEqual(new Set(entries.map(({ field }) => field)), new Set(["event"]));
  assert.deepEqual(entries.map(({ value }) => JSON.parse(value)), linesOf(lines!).map((line) => JSON.parse(line)));
  assert.equal(entries.length, 152);
  assert.equal(await redis.command("GET", CURSOR), "31527015471");
});

redisRealTest("R2: the real frames as entries of format rsky, byte for byte but for the time, and the position", [
  "frames.bin.zst",
  "rsky_stream_samples.jsonl",
], async (redis, [frames, samples]) => {
  await using sink = await redisSink({ connection: { url: redis.url }, format: "rsky" });
  await put(sink, framesOfFile(frames!).flatMap((frame) => eventsOf(frame, "rsky")), {
    key: KEY,
    cursor: "31527015471",
  });
  const timeless = (value: string) => value.replace(/"time":"[^"]*\+00:00"/, '"time":""');
  const entries = (await redis.entries("firehose_live")).map(({ field, value }) => [field, timeless(value)]);
  const theirs = linesOf(samples!).map((line) => JSON.parse(line)).map(({ field, value }) => [field, timeless(value)]);
  assert.equal(entries.length, 150);
  assert.deepEqual(entries, theirs);
  assert.equal(await redis.command("GET", CURSOR), "31527015471");
});

redisRealTest("R6, R7: frames of labels in both formats", ["synthetic_frames.json"], async (redis, [path]) => {
  const frames = JSON.parse(Deno.readTextFileSync(path!));
  const key = "label_live:cursor:mod.bsky.app";
  const found: Record<string, string[]> = {};
  for (const format of ["bsky", "rsky"] as const) {
    const stream = `label_${format}`;
    await using sink = await redisSink({ connection: { url: redis.url }, stream, format });
    for (const name of ["label_real_signed", "label_neg_unsigned", "label_two_with_exp", "label_empty"]) {
      const split = splitFrame(fromHex(frames[name]));
      assert(split.kind === "message");
      const message = decodeLabelMessage(split.type, split.body) as LabelsMessage;
      const origin = { source: "labeler", wire: "relay", host: "mod.bsky.app" } as const;
      await put(sink, labelEvents(message, { origin, now: Date.now }).events, { key, cursor: String(message.seq) });
    }
    assert.equal(await redis.command("GET", `${stream}:cursor:mod.bsky.app`), "4");
    found[format] = (await redis.entries(stream)).map(({ field, value }) => `${field} ${value}`);
  }
  const [src, uri] = ["did:plc:n3timvoib5nau7gvwd6cshap", "did:plc:44ybard66vv44zksje25o7dz"];
  const [signed, negated, first, second] = found.bsky!.map((text) => JSON.parse(text.slice("event ".length)));
  assert.equal(found.bsky!.length, 4);
  assert.deepEqual(signed, {
    type: "label",
    label: {
      cts: "2024-10-23T17:51:19.128Z",
      sig: { $bytes: "uCRNA5mTzh078T5xZtkvLEt/O+z0gsKM3aqRI/lVAB8ZtbMnznwS/JwHopZE40JhNNDj80z8gsDLAp/hWqG5Pg" },
      src,
      uri,
      val: "bladerunner",
      ver: 1,
    },
  });
  assert.deepEqual([negated.label.neg, "sig" in negated.label], [true, false]);
  assert.deepEqual([first.label.exp, second.label.exp], ["2025-10-23T17:51:21Z", undefined]);

  assert.equal(
    found.rsky![0],
    `labels {"seq":1,"labels":[{"src":"${src}","uri":"${uri}","cid":null,"val":"bladerunner","neg":null,"cts":"2024-10-23 17:51:19.128 UTC"}]}`,
  );
  const [, taken, two, empty] = found.rsky!.map((text) => JSON.parse(text.slice("labels ".length)));
  assert.deepEqual([taken.labels[0].neg, typeof taken.labels[0].cid], [true, "string"]);
  assert.deepEqual([two.labels.length, two.labels[0].cts], [2, "2024-10-23 17:51:21 UTC"]);
  assert.deepEqual(empty, { seq: 4, labels: [] });
});
