/**
 * Labelers as a source: the labels that they set and take back, from the first one on.
 *
 * @module
 */
import { ConfigError } from "../pipeline/errors.ts";
import { labelProtocol } from "./labels/protocol.ts";
import { type LiveOptions, type LivePlan, makeLivePlan } from "./live/options.ts";
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
  const plan = makeLabelsPlan(options);
  return liveSource(labelProtocol(plan.now), plan);
}

/**
 * Checks the options and puts them together.
 *
 * @throws {ConfigError} with every fault that was found.
 */
export function makeLabelsPlan(options: LabelsOptions): LivePlan {
  const faults: string[] = [];
  // A labeler may have nothing to say for days.
  const plan = makeLivePlan(options, { hosts: ["mod.bsky.app"], begin: "oldest", idleTimeout: 0 }, faults);
  const [first, ...others] = faults;
  if (first !== undefined) throw new ConfigError([first, ...others]);
  return plan;
}
