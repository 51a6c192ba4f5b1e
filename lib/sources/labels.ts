/**
 * Labelers as a source: the labels that they set and take back, from the first one on.
 *
 * @module
 */
import type { LabelsMessage } from "../atproto/label.ts";
import { decodeLabelMessage, labelEvents } from "../atproto/label.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { type LiveOptions, makeLivePlan } from "./live/options.ts";
import type { Protocol } from "./live/protocol.ts";
import { type LiveSource, liveSource } from "./live/source.ts";

/** Options of {@link labels}. */
export type LabelsOptions = LiveOptions;

/**
 * Labels of `com.atproto.label.subscribeLabels`, from a position on, for ever or until `options.until`. Without a position that is the
 * oldest one that a labeler keeps, often its first.
 *
 * Each frame is a batch. The position of each host is kept under `label_live:cursor:<host>`, so that whoever opens the source with
 * several hosts should give it `load`.
 *
 * @throws {ConfigError} with every fault of the options.
 */
export function labels(options: LabelsOptions = {}): LiveSource {
  const faults: string[] = [];
  // A labeler may have nothing to say for days.
  const plan = makeLivePlan(options, { hosts: ["mod.bsky.app"], begin: "oldest", idleTimeout: 0 }, faults);
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return liveSource(labelProtocol(plan.now), plan);
}

function labelProtocol(now: () => number): Protocol<LabelsMessage> {
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
