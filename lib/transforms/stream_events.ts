/**
 * Events as entries of Redis streams, in the formats of two programs whose consumers live on: `bsky`, that of Bluesky's TypeScript
 * ingester, and `rsky`, that of rsky-ingester. An entry has one field, with JSON.
 *
 * @module
 */
import type { AnyEvent, LabelEvent } from "../atproto/event.ts";
import { bskyEntry } from "./stream_events/bsky.ts";
import { isRskyEvent, rskyEntry, rskyLabels } from "./stream_events/rsky.ts";

export { partitionOf, subjectOf } from "./stream_events/partition.ts";

/** What the entries look like. */
export type StreamFormat = "bsky" | "rsky";

/** One entry to be. */
export interface StreamEntry {
  /** Its only field. */
  readonly field: "event" | "labels" | "repo";
  /** JSON. */
  readonly value: string;
  /** Whom it is about: entries of one DID stay in one partition. */
  readonly did: string;
  /** Which of the events it was made of; the first one, where there are several. */
  readonly index: number;
}

/** Options of {@link streamEntries}. */
export interface StreamEventsOptions {
  /** Default `bsky`. */
  readonly format?: StreamFormat;
  /** `bsky`: whether events say by which host they came, for streams that several relays feed. Default: no. */
  readonly host?: boolean;
  /** `rsky`: the clock at ingestion, in milliseconds since 1970. */
  readonly now?: () => number;
}

/** What {@link streamEntries} is given besides events. */
export interface StreamBatch {
  /** `rsky`: the number of the labeler's newest frame, where it is newer than the labels: that frame was empty. */
  readonly emptyFrame?: number | undefined;
}

/** Whether an event leads to an entry in a format; the others are to be filtered. */
export function isStreamed(event: AnyEvent, format: StreamFormat = "bsky"): boolean {
  return format === "bsky" || isRskyEvent(event);
}

/**
 * Makes the entries of events, in their order: one each, but for labels in `rsky`, where it is one for each frame.
 *
 * @throws {ConfigError} From what it returns, for an event that a format cannot hold.
 */
export function streamEntries(
  { format = "bsky", host = false, now = Date.now }: StreamEventsOptions = {},
): (events: readonly AnyEvent[], batch?: StreamBatch) => StreamEntry[] {
  if (format === "bsky") return (events) => events.map((event, i) => bskyEntry(event, i, host));
  return (events, { emptyFrame } = {}) => {
    const entries: StreamEntry[] = [];
    for (let i = 0; i < events.length;) {
      const event = events[i]!;
      if (event.kind === "label") {
        const frame = labelsOfFrame(events, i, event);
        entries.push(rskyLabels(event.seq ?? event.time_us, frame, i));
        i += frame.length;
      } else entries.push(rskyEntry(event, i++, now()));
    }
    if (emptyFrame !== undefined) entries.push(rskyLabels(emptyFrame, [], events.length));
    return entries;
  };
}

/** The labels from `first`, the one at `start`, on that came in one frame. */
function labelsOfFrame(events: readonly AnyEvent[], start: number, first: LabelEvent): LabelEvent["label"][] {
  const labels = [first.label];
  for (let i = start + 1; i < events.length; i++) {
    const event = events[i]!;
    if (event.kind !== "label" || event.seq !== first.seq) break;
    labels.push(event.label);
  }
  return labels;
}
