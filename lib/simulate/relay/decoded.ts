/**
 * Recorded frames of a relay as events of Jetstream.
 *
 * @module
 */
import { KINDS, toJson } from "../../atproto/event.ts";
import { splitFrame } from "../../atproto/frame.ts";
import { frameEvents, type FrameEventsOptions } from "../../atproto/frame_events.ts";
import { decodeRepoMessage } from "../../atproto/repo_message.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { type EventLine, loadEventLines } from "../events.ts";

const OPTIONS: FrameEventsOptions = {
  origin: { source: "simulate", wire: "relay", host: "simulate" },
  filter: { kinds: new Set(KINDS) },
  verify: "none",
  now: () => Date.now(),
};

/** What a Jetstream would make of the frames; those that cannot be read are left out. */
export function frameEventLines(frames: readonly Uint8Array[]): EventLine[] {
  return loadEventLines(frames.flatMap(linesOf).join("\n"));
}

function linesOf(bytes: Uint8Array): string[] {
  try {
    const frame = splitFrame(bytes);
    const message = frame.kind === "message" ? decodeRepoMessage(frame.type, frame.body) : undefined;
    return message === undefined || message.type === "#info" ? [] : frameEvents(message, OPTIONS).events.map(toJson);
  } catch (error) {
    if (error instanceof PoisonError) return [];
    throw error;
  }
}
