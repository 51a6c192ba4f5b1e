/**
 * The ways in which a frame can be broken.
 *
 * @module
 */
import { decodeFirst, decodeJson } from "../../atproto/cbor.ts";
import { concatBytes } from "../repos/bytes.ts";
import { encodeCbor } from "../repos/cbor.ts";
import { messageFrame } from "../repos/messages.ts";

/** A whole frame made into a broken one: bytes, or the text of a text message. Each loses its frame, and that one only. */
export const FRAME_DAMAGES: readonly ((frame: Uint8Array) => Uint8Array | string)[] = [
  () => new Uint8Array(),
  () => "not a frame",
  (frame) => Uint8Array.of(0xff, ...frame.subarray(1)),
  (frame) => frame.subarray(0, partsOf(frame).end),
  (frame) => frame.subarray(0, frame.length - 1),
  (frame) => concatBytes([frame, Uint8Array.of(0)]),
  (frame) => messageFrame(partsOf(frame).type, [1, 2, 3]),
  (frame) => withMembers(frame, { seq: undefined }),
  (frame) => withMembers(frame, { seq: "x" }),
  (frame) => concatBytes([encodeCbor({ op: "1", t: "#commit" }), frame.subarray(partsOf(frame).end)]),
];

function partsOf(frame: Uint8Array) {
  const { value, end } = decodeFirst(frame);
  return { type: String((value as { t?: unknown }).t), end };
}

/** The frame with other members in its body. */
function withMembers(frame: Uint8Array, members: Readonly<Record<string, unknown>>): Uint8Array {
  const { type, end } = partsOf(frame);
  return messageFrame(type, { ...decodeJson(frame.subarray(end)) as object, ...members });
}
