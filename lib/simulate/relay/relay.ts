/**
 * The relay, the labeler and the PDS of a simulated server, made when somebody first asks for them.
 *
 * @module
 */
import type { Answer } from "../http.ts";
import type { FrameStore } from "../store.ts";
import { labelFrames } from "./labels.ts";
import { createLists, type ListOptions } from "./lists.ts";
import { createNetwork, type Network, type NetworkOptions } from "./network.ts";
import { recordedFrames } from "./recorded.ts";
import { LABELS_PATH, REPOS_PATH } from "./subscription.ts";

/** Options of {@link createRelay}. */
export interface RelayOptions extends NetworkOptions, ListOptions {
  /** What `subscribeRepos` sends in place of generated frames. */
  readonly frames?: readonly Uint8Array[];
  /** What `subscribeLabels` sends in place of generated frames. */
  readonly labelFrames?: readonly Uint8Array[];
}

/** See the module. */
export interface Relay {
  /** What is streamed at a path; `undefined`: nothing. */
  streamAt(path: string): FrameStore | undefined;
  /** The answer to a request that is no handshake; `undefined`: the path is not known. */
  answer(url: URL): Answer | undefined;
}

/** A relay with one network behind all its paths. */
export function createRelay(options: RelayOptions): Relay {
  const { frames, labelFrames: labels, count } = options;
  const network = once<Network>(() => createNetwork(options));
  const repoStream = once(() => frames ? recordedFrames(frames, count) : network().frames);
  const labelStream = once(() => labels ? recordedFrames(labels, count) : labelFrames(options));
  return {
    streamAt(path) {
      return path === REPOS_PATH ? repoStream() : path === LABELS_PATH ? labelStream() : undefined;
    },
    answer: createLists(options, network),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
