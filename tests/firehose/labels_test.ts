import { deepEqual, equal } from "node:assert/strict";
import type { LabelEvent } from "../../lib/atproto/event.ts";
import { fromHex } from "../../lib/atproto/test_frames.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import { LABELS_PATH, startSimulate } from "../../lib/simulate/server.ts";
import { labels } from "../../lib/sources/labels.ts";
import { range } from "../support/jetstream_run.ts";
import { runSource, seqsOf } from "../support/live_run.ts";
import { realTest } from "../support/real_data.ts";
import { startScripted } from "../support/scripted_jetstream.ts";

const KEY = "label_live:cursor:host";
const runLabels = (host: string, ...how: Parameters<typeof runSource>[1][]) =>
  runSource(labels({ hosts: [host], alias: "host", backoff: () => 5 }), ...how);
const label = (val: string) => ({ src: "did:plc:a", uri: "at://did:plc:b", val, cts: "2026-07-04T14:38:07.517Z" });

realTest("F54, F55: the first start asks for the oldest; empty frames move the cursor, neg and exp are kept", [
  "synthetic_frames.json",
], async ([path]) => {
  const hex: Record<string, string> = JSON.parse(Deno.readTextFileSync(path!));
  const names = ["label_real_signed", "label_neg_unsigned", "label_two_with_exp", "label_empty"];
  await using server = await startScripted({
    onDial: (dial) => void dial.accept(...names.map((name) => fromHex(hex[name]!))),
  });
  await using run = runLabels(`ws://${server.host}`);
  await run.until(() => run.cursor === "4");
  deepEqual([server.dials[0]!.url.pathname, server.dials[0]!.url.search], [LABELS_PATH, "?cursor=0"]);
  const all = run.events as LabelEvent[];
  deepEqual(seqsOf(all), [1, 2, 3, 3]);
  deepEqual(all.map(({ label }) => [label.neg, label.exp !== undefined, label.sig !== undefined]), [
    [undefined, false, true],
    [true, false, false],
    [undefined, true, all[2]!.label.sig !== undefined],
    [undefined, false, all[3]!.label.sig !== undefined],
  ]);
  deepEqual(all[0]!.origin, { source: "labeler", wire: "relay", host: "host" });
});

Deno.test("F57: of three labels one says nothing: two are delivered, one is dead", async () => {
  await using server = await startScripted({
    onDial: (dial) => void dial.accept(labelsFrame(7, [label("a"), { val: "b" }, label("c")]), labelsFrame(8, [])),
  });
  await using run = runLabels(`ws://${server.host}`, { saved: { [KEY]: "6" } });
  await run.until(() => run.cursor === "8");
  deepEqual((run.events as LabelEvent[]).map(({ label: { val } }) => val), ["a", "c"]);
  deepEqual(run.letters.map(({ error, detail }) => [error.reason, detail?.position]), [["label-field", "6"]]);
  equal(server.dials[0]!.cursor, 6);
});

Deno.test("each frame is a batch, and silence ends no connection", async () => {
  await using server = await startSimulate({ accounts: 20, sign: false, count: 200 });
  const source = labels({ hosts: [server.url], alias: "host", deadAfterMs: 60 });
  const sizes: number[] = [];
  const stop = new AbortController();
  for await (const batch of source.open({ stop: stop.signal })) {
    sizes.push(new Set(seqsOf(batch.items)).size);
    if (batch.cursor === "200") stop.abort();
  }
  deepEqual(sizes, Array(200).fill(1));
  await using run = runLabels(server.url, { saved: { [KEY]: "100" } });
  await run.until(() => run.cursor === "200");
  deepEqual([...new Set(seqsOf(run.events))], range(101, 200));
  equal(source.stats.connections, 1);
});
