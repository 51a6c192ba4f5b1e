import { deepEqual, equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { realTest } from "../../tests/support/real_data.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { type Frame, seqOf, splitFrame } from "./frame.ts";
import { decodeRepoMessage } from "./repo_message.ts";
import { encode, fromHex, messageFrame, Raw } from "./test_frames.ts";

type MessageFrame = Extract<Frame, { kind: "message" }>;

/** The code with which a frame is refused, by its header or by the body of a `#info`. */
function refusal(frame: Uint8Array): string {
  try {
    const split = splitFrame(frame);
    if (split.kind === "message") decodeRepoMessage(split.type, split.body);
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

const header = (value: unknown) => Buffer.concat([encode(value), encode({ name: "x" })]);

Deno.test("F5: a type that is not known is a message without meaning", () => {
  const frame = fromHex("a26174622364626f7001 a261616162616383010203");
  const { kind, type, body } = splitFrame(frame) as MessageFrame;
  deepEqual([kind, type], ["message", "#d"]);
  equal(decodeRepoMessage(type, body), undefined);
  equal(seqOf(body), undefined);
});

Deno.test("F6: an error frame, with and without a type", () => {
  const body = encode({ error: "BigOops", message: "something happened" });
  const expected = { kind: "error", error: "BigOops", message: "something happened" };
  for (const head of [{ op: -1 }, { t: "#commit", op: -1 }]) {
    deepEqual(splitFrame(Buffer.concat([encode(head), body])), expected);
  }
  equal(refusal(Buffer.concat([encode({ op: -1 }), encode({ message: "x" })])), "field-error");
  equal(refusal(Buffer.concat([encode({ op: -1 }), body, body])), "frame-trailing");
  equal(refusal(encode({ op: -1 })), "frame-body");
});

Deno.test("F10: frames that are none are refused, each with its code", () => {
  const info = messageFrame("#info", { name: "x" });
  const refused: [string, Uint8Array][] = [
    ["frame-empty", new Uint8Array()],
    ["frame-body", encode({ t: "#info", op: 1 })],
    ["frame-body", messageFrame("#info", ["name"])],
    ["frame-trailing", Buffer.concat([info, encode({})])],
    ["cbor-range", Buffer.from('{"op":1,"t":"#info"}')], // text as bytes: `{` begins a text with a length of 8 bytes
    ["frame-header", header(["op", 1])],
    ["frame-header", header({ t: "#info" })],
    ["frame-header", header({ op: "1", t: "#info" })],
    ["frame-header", header({ op: 1.5, t: "#info" })],
    ["frame-header", header({ op: 1 })],
    ["frame-header", header({ op: 1, t: 5 })],
    ["cbor-duplicate", header(new Raw("a2 626f7001 626f7001"))],
    ["cbor-float", messageFrame("#info", { name: "x", more: new Raw("f97e00") })],
    ["cbor-truncated", info.subarray(0, -1)],
    ["cbor-truncated", info.subarray(0, 5)],
  ];
  for (const [code, frame] of refused) equal(refusal(frame), code, Buffer.from(frame).toString("hex"));
  equal(refusal(info), "none");
});

Deno.test("F10: another op is ignored, whatever follows", () => {
  for (const op of [-2, 0, 2]) deepEqual(splitFrame(encode({ op })), { kind: "ignored", op });
});

Deno.test("F11: more keys in header and body are accepted", () => {
  const frame = Buffer.concat([
    encode({ t: "#info", op: 1, extra: [1] }),
    encode({ name: "x", message: null, extra: {} }),
  ]);
  const { type, body } = splitFrame(frame) as MessageFrame;
  deepEqual(decodeRepoMessage(type, body), { type: "#info", name: "x", message: undefined });
});

Deno.test("the number of a body that cannot be read is undefined", () => {
  equal(seqOf(encode({ did: "x", seq: 5 })), 5);
  for (const seq of [0, -1, 1.5, "5", null]) equal(seqOf(encode({ seq })), undefined);
  for (const body of [encode([5]), encode(5), fromHex("ff"), new Uint8Array(), encode({ seq: 5 }).subarray(0, -1)]) {
    equal(seqOf(body), undefined);
  }
});

realTest(
  "F13: synthetic frames: types that are unknown or were removed, info and errors",
  ["synthetic_frames.json"],
  ([path]) => {
    const hex: Record<string, string> = JSON.parse(Deno.readTextFileSync(path!));
    const read = (name: string) => splitFrame(fromHex(hex[name]!));
    for (
      const [name, seq] of [["unknown_type", 143], ["handle_deprecated", 144], ["tombstone_deprecated", 145]] as const
    ) {
      const { type, body } = read(name) as MessageFrame;
      equal(decodeRepoMessage(type, body), undefined);
      equal(seqOf(body), seq);
    }
    const { body: handle } = read("handle_deprecated") as MessageFrame;
    const identity = decodeRepoMessage("#identity", handle);
    ok(identity?.type === "#identity");
    equal(identity.handle, "pengua.bsky.social");
    const { type, body } = read("info_outdated") as MessageFrame;
    const message = "Requested cursor exceeded limit. Possibly missing events";
    deepEqual(decodeRepoMessage(type, body), { type: "#info", name: "OutdatedCursor", message });
    deepEqual(read("error_future"), { kind: "error", error: "FutureCursor", message: "Cursor in the future." });
    deepEqual(read("error_slow"), { kind: "error", error: "ConsumerTooSlow", message: undefined });
  },
);
