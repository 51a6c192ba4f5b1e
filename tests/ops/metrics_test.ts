import assert from "node:assert/strict";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { Link } from "../../lib/pipeline/link.ts";
import { nullSink } from "../../lib/sinks/null.ts";
import { countCollection } from "../../lib/pipeline/counters.ts";
import { DEAD_REASON_EVENTS } from "../support/ops_events.ts";
import { ask, askJson, testOps } from "../support/ops.ts";
import { parsePrometheus, sumOf } from "../support/prometheus.ts";

/** Names and labels of the specification, but for those of the sink webhook. */
const SPECIFIED: Readonly<Record<string, string>> = {
  build_info: "version,deno",
  events_received_total: "source,kind",
  events_filtered_total: "source",
  events_written_total: "sink",
  events_by_collection_total: "collection",
  duplicates_total: "source",
  frames_invalid_total: "source,reason",
  frames_ignored_total: "source,reason",
  bytes_received_total: "source,host",
  reconnects_total: "source,host,reason",
  paused_seconds_total: "source,host",
  connected: "source,host",
  lag_seconds: "source,host",
  last_event_timestamp_seconds: "source,host",
  cursor_timestamp_seconds: "source,host",
  cursor_seq: "source,host",
  checkpoint_age_seconds: "source",
  checkpoint_failures_total: "source",
  in_flight_events: "",
  in_flight_limit: "",
  stage_waiting: "stage",
  stage_blocked_seconds_total: "stage",
  batches_total: "sink,result",
  batch_duration_seconds: "sink",
  retries_total: "sink,reason",
  dead_letters_total: "stage,reason",
  gaps_total: "source,host,reason",
  gaps_open: "source",
};

const post = { kind: "commit", commit: { operation: "create", collection: "app.bsky.feed.post" } } as AnyEvent;

/** A run in which everything has happened once. */
async function busyOps() {
  const link = new Link("jetstream.example");
  link.dial("v2");
  link.open();
  link.end("silent");
  link.dial("v2");
  link.open();
  link.receive(1000);
  link.lastTimeUs = Date.now() * 1000;
  const ops = await testOps({}, { stats: { links: [link], connections: 2, ignored: 3 } });
  const { run, counters } = ops;
  counters.received = 10;
  counters.written = 6;
  counters.filtered = 2;
  for (let i = 0; i < 6; i++) countCollection(counters.collections, "app.bsky.feed.post");
  counters.cursors.set("jetstream", '{"v":1,"host":"jetstream.example","time_us":1783175888000000,"seq":42}');
  run.onPassed(Array(8).fill(post));
  run.onStored(Array(6).fill(post));
  run.onRetry("whole");
  run.onGaps([{
    source: "jetstream",
    host: "jetstream.example",
    unit: "us",
    from: 1,
    to: 2,
    reason: "clamped",
    state: "open",
  }], "jetstream");
  await run.watchDeadLetter(() => Promise.resolve(), () => false)(DEAD_REASON_EVENTS, {
    signal: new AbortController().signal,
  });
  const sink = run.watchSink(nullSink());
  await sink.write({ items: [post], cursor: undefined, key: "k" }, { signal: new AbortController().signal });
  run.look(Date.now());
  return ops;
}

Deno.test("W40: every metric of the specification, with its labels, for a Prometheus server to read", async () => {
  await using ops = await busyOps();
  const { text, headers } = await ask(`${ops.url}/metrics`);
  assert.match(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const metrics = parsePrometheus(text);
  for (const [name, labels] of Object.entries(SPECIFIED)) {
    const metric = metrics.get(`bskyingest_${name}`);
    assert(metric && metric.samples.length > 0, `${name} has no value`);
    const names = Object.keys(metric.samples.at(-1)!.labels).filter((label) => label !== "le");
    assert.equal(names.join(), labels, name);
    assert.equal(metric.type, name.endsWith("_total") ? "counter" : name.startsWith("batch_d") ? "histogram" : "gauge");
    assert.notEqual(metric.help, "");
  }
  assert(metrics.has("process_cpu_user_seconds_total") && metrics.has("nodejs_eventloop_lag_seconds"));
});

Deno.test("W40: the metrics say the same as /stats", async () => {
  await using ops = await busyOps();
  const stats = await askJson(`${ops.url}/stats`);
  const metrics = parsePrometheus((await ask(`${ops.url}/metrics`)).text);
  const sum = (name: string) => sumOf(metrics, `bskyingest_${name}`);
  assert.equal(sum("events_received_total"), stats.totalReceived);
  assert.equal(sum("events_by_collection_total"), stats.totalEvents);
  assert.equal(sum("events_written_total"), stats.details.written);
  assert.equal(sum("events_filtered_total"), stats.details.filtered);
  assert.equal(sum("reconnects_total"), stats.details.reconnects);
  assert.equal(sum("cursor_timestamp_seconds"), stats.cursor / 1e6);
});

Deno.test("W40: of 10,000 collections 200 have a value of their own, then there is other", async () => {
  await using ops = await testOps();
  for (let i = 0; i < 10_000; i++) countCollection(ops.counters.collections, `c.${i}`);
  const metrics = parsePrometheus((await ask(`${ops.url}/metrics`)).text);
  const { samples } = metrics.get("bskyingest_events_by_collection_total")!;
  assert.equal(samples.length, 201);
  assert.equal(samples.find(({ labels }) => labels.collection === "other")!.value, 9800);
});

Deno.test("W40: a collection may be called anything", async () => {
  await using ops = await testOps();
  for (const name of ['"', "\\", "a\nb", "}", "__proto__"]) countCollection(ops.counters.collections, name);
  const metrics = parsePrometheus((await ask(`${ops.url}/metrics`)).text);
  const { samples } = metrics.get("bskyingest_events_by_collection_total")!;
  assert.deepEqual(samples.map(({ labels }) => labels.collection), ['"', "\\", "a\nb", "}", "__proto__"]);
});

Deno.test("two runs side by side are added up", async () => {
  await using ops = await testOps({ legacyMetrics: true }, { command: "firehose" });
  const { counters: others } = ops;
  const second = await ops.ops.watch({ ...ops.run.about, command: "labeler", counters: { ...others, received: 5 } });
  second.begun();
  ops.counters.received = 7;
  assert.equal((await askJson(`${ops.url}/stats`)).totalReceived, 12);
  const { sources } = await askJson(`${ops.url}/status`);
  assert.deepEqual(sources.map(({ name }: { name: string }) => name), ["firehose", "labeler"]);
  const metrics = parsePrometheus((await ask(`${ops.url}/metrics`)).text);
  assert.equal(sumOf(metrics, "bskyingest_events_received_total"), 12);
  assert.equal(sumOf(metrics, "ingester_labeler_events_total"), 5);
  assert.equal(sumOf(metrics, "bskyingest_build_info"), 1);
  await second.ended();
});
