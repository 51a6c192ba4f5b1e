import { deepEqual, equal, ok } from "node:assert/strict";
import { realTest } from "../../tests/support/real_data.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { splitFrame } from "./frame.ts";
import { decodeLabelMessage, labelEvents, type LabelsMessage } from "./label.ts";
import { encode, fromHex } from "./test_frames.ts";

const origin = Object.freeze({ source: "labels", wire: "relay", host: "labeler.test" });
const NOW = 1_800_000_000_000;
const LABEL = {
  src: "did:plc:labeler",
  uri: "at://did:plc:a/app.bsky.feed.post/1",
  val: "spam",
  cts: "2024-10-23T17:51:19.128Z",
};
const TIME_US = 1_729_705_879_128_000;

const message = (body: unknown) => decodeLabelMessage("#labels", encode(body)) as LabelsMessage;
const events = (labels: readonly unknown[]) => labelEvents(message({ seq: 3, labels }), { origin, now: () => NOW });

function refusal(type: string, body: unknown): string {
  try {
    decodeLabelMessage(type, encode(body));
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

Deno.test("F57: a label without a field that it must have is rejected, the others are delivered", () => {
  for (const name of Object.keys(LABEL)) {
    for (const value of [undefined, null, 5, ""]) {
      const result = events([LABEL, { ...LABEL, [name]: value }, { ...LABEL, val: "other" }]);
      deepEqual(result.events.map(({ label }) => label.val), ["spam", "other"]);
      deepEqual(result.rejected.map(({ reason, detail }) => [reason, detail]), [
        ["label-field", { seq: 3, label: 1 }],
      ]);
    }
  }
  equal(events([LABEL, [LABEL], "label", null]).rejected.length, 3);
});

Deno.test("fields that may be absent stay absent, and are refused when they are of another type", () => {
  const { events: [bare, full], rejected } = events([
    { ...LABEL, neg: null, cid: null, unknown: 1 },
    { ...LABEL, ver: 1, cid: "bafy", neg: false, exp: "2025-01-01T00:00:00Z", sig: Uint8Array.of(1, 2, 255) },
  ]);
  deepEqual([Object.keys(bare!.label), rejected], [["src", "uri", "val", "cts"], []]);
  deepEqual(bare, { kind: "label", time_us: TIME_US, seq: 3, origin, label: LABEL });
  deepEqual(full!.label, {
    ...LABEL,
    ver: 1,
    cid: "bafy",
    neg: false,
    exp: "2025-01-01T00:00:00Z",
    sig: { $bytes: "AQL/" },
  });
  const wrong = [{ ver: "1" }, { cid: 1 }, { neg: "true" }, { exp: 5 }, { sig: "AQL/" }];
  equal(events(wrong.map((fields) => ({ ...LABEL, ...fields }))).rejected.length, wrong.length);
});

Deno.test("a label whose time is none gets the clock's, and is counted", () => {
  const { events: made, badTimes } = events([{ ...LABEL, cts: "yesterday" }, LABEL]);
  deepEqual([made.map(({ time_us }) => time_us), badTimes], [[NOW * 1000, TIME_US], 1]);
  equal(made[0]!.label.cts, "yesterday");
});

Deno.test("bodies that are none, and types that are not known", () => {
  equal(refusal("#labels", { labels: [] }), "field-seq");
  equal(refusal("#labels", { seq: 1 }), "field-labels");
  equal(refusal("#labels", { seq: 1, labels: {} }), "field-labels");
  equal(refusal("#labels", { seq: 1, labels: Array(10_001).fill(null) }), "field-labels");
  equal(refusal("#labels", []), "frame-body");
  equal(decodeLabelMessage("#commit", encode({ seq: 1 })), undefined);
  deepEqual(decodeLabelMessage("#info", encode({ name: "OutdatedCursor" })), {
    type: "#info",
    name: "OutdatedCursor",
    message: undefined,
  });
});

realTest(
  "F55: synthetic frames: labels that are signed, negated, expiring, none",
  ["synthetic_frames.json"],
  ([path]) => {
    const hex: Record<string, string> = JSON.parse(Deno.readTextFileSync(path!));
    const read = (name: string) => {
      const frame = splitFrame(fromHex(hex[name]!));
      ok(frame.kind === "message");
      const decoded = decodeLabelMessage(frame.type, frame.body) as LabelsMessage;
      const { events, rejected } = labelEvents(decoded, { origin, now: () => NOW });
      deepEqual(rejected, []);
      return { seq: decoded.seq, labels: events.map(({ label }) => label) };
    };
    const uri = "did:plc:44ybard66vv44zksje25o7dz";
    const src = "did:plc:n3timvoib5nau7gvwd6cshap";
    deepEqual(read("label_real_signed"), {
      seq: 1,
      labels: [{
        ver: 1,
        src,
        uri,
        val: "bladerunner",
        cts: "2024-10-23T17:51:19.128Z",
        sig: { $bytes: "uCRNA5mTzh078T5xZtkvLEt/O+z0gsKM3aqRI/lVAB8ZtbMnznwS/JwHopZE40JhNNDj80z8gsDLAp/hWqG5Pg" },
      }],
    });
    const { seq, labels: [negated] } = read("label_neg_unsigned");
    deepEqual([seq, negated!.neg, negated!.uri.startsWith("at://"), "sig" in negated!], [2, true, true, false]);
    const two = read("label_two_with_exp");
    deepEqual([two.seq, two.labels.map(({ exp }) => exp)], [3, ["2025-10-23T17:51:21Z", undefined]]);
    deepEqual(read("label_empty"), { seq: 4, labels: [] });
  },
);
