/**
 * Frames of `subscribeRepos` and `subscribeLabels`: a header and a body of DAG-CBOR back to back
 * (https://atproto.com/specs/event-stream). Their bodies are decoded by `repo_message.ts` and `label.ts`.
 *
 * @module
 */
import { PoisonError } from "../pipeline/errors.ts";
import { decodeCbor, decodeFirst, isMap, isMapAt } from "./cbor.ts";

/** A frame whose header was read. */
export type Frame =
  /** `type` with its `#`; the body is still encoded, a view of the frame. */
  | { readonly kind: "message"; readonly type: string; readonly body: Uint8Array }
  /** The server closes after it. */
  | { readonly kind: "error"; readonly error: string; readonly message: string | undefined }
  /** An `op` of which this version knows nothing: to be passed over. */
  | { readonly kind: "ignored"; readonly op: number };

/**
 * Reads the header of a frame, and the body of an error frame. Unknown keys are ignored.
 *
 * @throws {PoisonError} `frame-empty`, `frame-header`, `frame-body`, `frame-trailing`, `field-error` or `cbor-*`.
 */
export function splitFrame(frame: Uint8Array): Frame {
  if (frame.length === 0) throw bad("empty", "it is empty");
  const { value: header, end } = decodeFirst(frame);
  if (!isMap(header)) throw bad("header", "the header is not a map");
  const { op, t } = header;
  if (!Number.isInteger(op)) throw bad("header", "op is not an integer");
  if (op === -1) return errorOf(bodyOf(frame, end));
  if (op !== 1) return { kind: "ignored", op: op as number };
  if (typeof t !== "string") throw bad("header", "t is not a text");
  return { kind: "message", type: t, body: bodyOf(frame, end) };
}

function bad(reason: string, why: string): PoisonError {
  return new PoisonError(`frame-${reason}`, `Cannot read frame: ${why}`);
}

function bodyOf(frame: Uint8Array, start: number): Uint8Array {
  if (start === frame.length) throw bad("body", "it ends behind the header");
  if (!isMapAt(frame, start)) throw bad("body", "the body is not a map");
  return frame.subarray(start);
}

function errorOf(bytes: Uint8Array): Frame {
  const { error, message } = decodeBody(bytes);
  if (typeof error !== "string") throw badField("error");
  return { kind: "error", error, message: typeof message === "string" ? message : undefined };
}

/** The most operations or labels of a message; the network allows 200. Each may cost a rejection, so that there has to be a bound. */
export const MAX_LIST = 10_000;

/**
 * Decodes a body, which is a map and the last thing in its frame.
 *
 * @throws {PoisonError} `frame-body`, `frame-trailing` or `cbor-*`.
 */
export function decodeBody(bytes: Uint8Array): Record<string, unknown> {
  const { value, end } = decodeFirst(bytes);
  if (!isMap(value)) throw bad("body", "the body is not a map");
  if (end !== bytes.length) throw bad("trailing", "something follows the body");
  return value;
}

/** What a missing or wrong field is refused with. */
export function badField(name: string): PoisonError {
  return new PoisonError(`field-${name}`, `Cannot read message: ${name} is missing or not what it should be`);
}

/** The position number of a message of any type; `undefined` where it has none, or the body cannot be decoded. */
export function seqOf(body: Uint8Array): number | undefined {
  try {
    const value = decodeCbor(body);
    return isMap(value) && isSeq(value.seq) ? value.seq : undefined;
  } catch (error) {
    if (error instanceof PoisonError) return undefined;
    throw error;
  }
}

/** Whether it is a position number: 1 to 2^53 - 1. */
export function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
