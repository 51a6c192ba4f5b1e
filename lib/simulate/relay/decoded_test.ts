import assert from "node:assert/strict";
import { realTest } from "../../../tests/support/real_data.ts";
import { splitFrame } from "../../atproto/frame.ts";
import { frameEvents } from "../../atproto/frame_events.ts";
import { decodeLabelMessage, labelEvents } from "../../atproto/label.ts";
import { decodeRepoMessage } from "../../atproto/repo_message.ts";
import { fileEvents } from "../events.ts";
import { infoFrame } from "../repos/messages.ts";
import { loadFrames } from "../server.ts";
import { frameEventLines } from "./decoded.ts";
import { labelFrames } from "./labels.ts";
import { createNetwork } from "./network.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const now = () => 0;

Deno.test("the project's own reader takes every generated frame, with all blocks verified", () => {
  const network = createNetwork({ epoch: EPOCH, accounts: 30, sign: false });
  const origin = { source: "firehose", wire: "relay", host: "h" } as const;
  const kinds = new Set(["commit", "identity", "account", "sync"] as const);
  let events = 0;
  for (let n = 1; n <= 1000; n++) {
    const frame = splitFrame(network.frames.read(n));
    assert.ok(frame.kind === "message");
    const message = decodeRepoMessage(frame.type, frame.body);
    assert.ok(message !== undefined && message.type !== "#info");
    const result = frameEvents(message, { origin, filter: { kinds }, verify: "blocks", now });
    assert.deepEqual([result.rejected, result.badTime], [[], false]);
    events += result.events.length;
  }
  assert.ok(events > 1000);
});

Deno.test("the project's own reader takes every generated label", () => {
  const labels = labelFrames({ epoch: EPOCH, accounts: 30, sign: false });
  const origin = { source: "labeler", wire: "relay", host: "h" } as const;
  for (let n = 1; n <= 300; n++) {
    const frame = splitFrame(labels.read(n));
    assert.ok(frame.kind === "message");
    const message = decodeLabelMessage(frame.type, frame.body);
    assert.ok(message !== undefined && message.type === "#labels");
    const result = labelEvents(message, { origin, now });
    assert.ok(result.events.length > 0);
    assert.deepEqual(result.rejected, []);
  }
});

Deno.test("frames that cannot be read, and those that are no events, are left out on Jetstream", () => {
  assert.deepEqual(frameEventLines([new Uint8Array(), infoFrame("x"), new TextEncoder().encode("text")]), []);
});

realTest("recorded frames of a relay are the events that a real Jetstream made of them", [
  "frames.bin.zst",
  "expected_v1.jsonl",
], async ([frames, expected]) => {
  const lines = frameEventLines(await loadFrames(frames!));
  const store = fileEvents(lines);
  assert.equal(store.last, 152);
  const real = Deno.readTextFileSync(expected!).trim().split("\n").map((line) => JSON.parse(line));
  const key = (event: { did: string; kind: string; commit?: unknown }) =>
    JSON.stringify([event.did, event.kind, event.commit]);
  const parsed = lines.map((_, n) => JSON.parse(store.read(n + 1, "v1", undefined)!));
  assert.deepEqual(parsed.map(sorted).map(key).sort(), real.map(sorted).map(key).sort());
});

/** The same value with its members in one order. */
function sorted<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted) as T;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sorted(v)]),
  ) as T;
}
