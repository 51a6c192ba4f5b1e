/**
 * `com.atproto.label.subscribeLabels` as a stream of numbered frames.
 *
 * @module
 */
import { decodeLabelMessage, labelEvents, type LabelsMessage } from "../../atproto/label.ts";
import type { Protocol } from "../live/protocol.ts";

/**
 * Makes the stream's protocol.
 *
 * @param now The clock that stands in for a time that cannot be read: milliseconds since 1970.
 */
export function labelProtocol(now: () => number): Protocol<LabelsMessage> {
  return {
    source: "labeler",
    path: "/xrpc/com.atproto.label.subscribeLabels",
    keyHead: "label_live:cursor:",
    batchEvents: 0,
    decode: decodeLabelMessage,
    make(message, origin) {
      const { events, rejected, badTimes } = labelEvents(message, { origin, now });
      return { events, filtered: 0, rejected, badTimes };
    },
  };
}
