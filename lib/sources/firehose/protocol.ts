/**
 * `com.atproto.sync.subscribeRepos` as a stream of numbered frames.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { frameEvents, type FrameEventsOptions } from "../../atproto/frame_events.ts";
import { decodeRepoMessage, type NumberedMessage } from "../../atproto/repo_message.ts";
import type { Protocol } from "../live/protocol.ts";

const log = getLogger(["bskyingest", "firehose"]);

/** A batch holds so many events, or what one turn of the socket gave. */
const BATCH_EVENTS = 256;
/** Repos that were warned of are remembered, up to so many. */
const MOST_WARNED = 10_000;

/** Options of {@link repoProtocol}. */
export interface RepoProtocolOptions extends Omit<FrameEventsOptions, "origin"> {
  /** Take the removed `#handle` for an `#identity`. */
  readonly handles: boolean;
}

/** Makes the stream's protocol. */
export function repoProtocol({ handles, ...options }: RepoProtocolOptions): Protocol<NumberedMessage> {
  const warnOf = outdatedWarnings();
  return {
    source: "firehose",
    path: "/xrpc/com.atproto.sync.subscribeRepos",
    keyHead: "firehose_live:cursor:",
    batchEvents: BATCH_EVENTS,
    decode: (type, body) => decodeRepoMessage(handles && type === "#handle" ? "#identity" : type, body),
    make(message, origin) {
      const { events, filtered, rejected, badTime } = frameEvents(message, { ...options, origin });
      if (message.type === "#commit" && message.outdated && events.length > 0) warnOf(message.did);
      return { events, filtered, rejected, badTimes: badTime ? events.length : 0 };
    },
  };
}

/** Warns once of each repo whose commits still say `tooBig` or `rebase`. */
function outdatedWarnings(): (did: string) => void {
  const warned = new Set<string>();
  return (did) => {
    if (warned.has(did) || warned.size >= MOST_WARNED) return;
    warned.add(did);
    log.warn("A commit of {did} says tooBig or rebase, which no server should any more: it is read all the same", {
      did,
    });
  };
}
