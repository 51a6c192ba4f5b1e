/**
 * Frames of dead letters, whole or as much of them as died.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { KINDS, type Origin } from "../../atproto/event.ts";
import { splitFrame } from "../../atproto/frame.ts";
import type { InfoMessage } from "../../atproto/repo_message.ts";
import { repoProtocol } from "../firehose/protocol.ts";
import { labelProtocol } from "../labels/protocol.ts";
import type { Made, Protocol } from "../live/protocol.ts";

/** How frames are decoded. */
export interface FrameOptions {
  readonly origin: Origin;
  /** What is checked of blocks: nothing, or their hashes and the commit's. */
  readonly verify: "none" | "blocks";
  /** The clock that stands in for a time that cannot be read: milliseconds since 1970. */
  readonly now: () => number;
}

/** What a dead letter says of its frame. */
export interface DeadFrame {
  /** The whole frame. */
  readonly base64: string;
  /** The place of the only operation that died, from 0 on. */
  readonly op?: unknown;
  /** The same of a label. */
  readonly label?: unknown;
}

const NOTHING: Made = { events: [], filtered: 0, rejected: [], badTimes: 0 };

/**
 * The events of a frame: of its only operation or label that died, where that is known.
 *
 * @throws {PoisonError} where the frame cannot be read, still.
 */
export function decodeDeadFrame({ base64, op, label }: DeadFrame, { origin, verify, now }: FrameOptions): Made {
  const frame = splitFrame(Buffer.from(base64, "base64"));
  if (frame.kind !== "message") return NOTHING;
  const { type, body } = frame;
  if (type === "#labels") {
    const protocol = labelProtocol(now);
    const message = numbered(protocol, type, body);
    return message ? protocol.make({ ...message, labels: only(label, message.labels) }, origin) : NOTHING;
  }
  const protocol = repoProtocol({ filter: { kinds: new Set(KINDS) }, verify, now, handles: false });
  const message = numbered(protocol, type, body);
  if (message === undefined) return NOTHING;
  return protocol.make(message.type === "#commit" ? { ...message, ops: only(op, message.ops) } : message, origin);
}

/** A message with a number; undefined: of another kind, of which nothing is delivered. */
function numbered<M extends { readonly seq: number }>(
  protocol: Protocol<M>,
  type: string,
  body: Uint8Array,
): M | undefined {
  const message: M | InfoMessage | undefined = protocol.decode(type, body);
  return message !== undefined && "seq" in message ? message : undefined;
}

/** The thing at a place, or all of them where there is no place. */
function only<T>(place: unknown, things: readonly T[]): readonly T[] {
  return typeof place === "number" ? things.slice(place, place + 1) : things;
}
