/**
 * The frames of one file: those of a relay, or those of a labeler.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Origin } from "../../atproto/event.ts";
import { splitFrame } from "../../atproto/frame.ts";
import type { RepoFilter } from "../../atproto/frame_events.ts";
import type { LabelsMessage } from "../../atproto/label.ts";
import type { InfoMessage, NumberedMessage } from "../../atproto/repo_message.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { repoProtocol } from "../firehose/protocol.ts";
import type { Notice } from "../jetstream/parse.ts";
import { labelProtocol } from "../labels/protocol.ts";
import type { Made, Protocol } from "../live/protocol.ts";

/** How frames are read. */
export interface RelayOptions {
  /** What is wanted of a relay; it is applied before blocks are looked at. */
  readonly filter: RepoFilter;
  /** What is checked of blocks: nothing, or their hashes and the commit's. */
  readonly verify: "none" | "blocks";
  /** Take the removed `#handle` for an identity event. */
  readonly handles: boolean;
}

/** What a message became; `copy`: the one before it in its stream, sent again to a client that came back. */
export interface RelayMessage extends Made {
  readonly copy: boolean;
}

/** The last number of each stream, by its kind and host. */
export type LastSeqs = Map<string, number>;

/** Reads the frames of one file in their order. */
export class RelayFrames {
  readonly #options: RelayOptions;
  readonly #lastSeqs: LastSeqs;
  /** Of labels or not: the first frame tells that can only be the one or the other. */
  #protocol: Protocol<NumberedMessage> | Protocol<LabelsMessage> | undefined;
  /** A connection was opened, and nothing with a number has come yet. */
  #fresh = false;

  /** @param lastSeqs What the files before have come to; it is carried on. */
  constructor(options: RelayOptions, lastSeqs: LastSeqs) {
    this.#options = options;
    this.#lastSeqs = lastSeqs;
  }

  /** A connection was opened. */
  opened(): void {
    this.#fresh = true;
  }

  /**
   * Reads a frame.
   *
   * @param data A text where it is one: an empty frame, or what is against the protocol.
   * @param wanted Whether its events are; else only its number is.
   * @throws {PoisonError}
   */
  read(data: string | Buffer, origin: Origin, wanted: boolean): RelayMessage | Notice {
    if (typeof data === "string" && data !== "") {
      throw new PoisonError("frame-text", "Cannot read frame: it is a text message");
    }
    const frame = splitFrame(data as Buffer);
    if (frame.kind === "error") return { notice: "ignored", name: `error ${frame.error}` };
    if (frame.kind === "ignored") return { notice: "ignored", name: `op ${frame.op}` };
    const protocol = this.#protocolOf(frame.type) as Protocol<NumberedMessage>; // whichever it is: it gets its own messages
    const message: NumberedMessage | InfoMessage | undefined = protocol.decode(frame.type, frame.body);
    if (message === undefined || !("seq" in message)) return { notice: "ignored", name: frame.type };
    const copy = this.#isCopy(`${protocol.source} ${origin.host}`, message.seq);
    return wanted ? { ...protocol.make(message, origin), copy } : { ...NOTHING, copy };
  }

  #protocolOf(type: string): Protocol<NumberedMessage> | Protocol<LabelsMessage> {
    if (this.#protocol) return this.#protocol;
    const now = Date.now;
    const protocol = type === "#labels" ? labelProtocol(now) : repoProtocol({ ...this.#options, now });
    if (type !== "#info") this.#protocol = protocol;
    return protocol;
  }

  /** Whoever comes back behind a number may get that one again, and nothing before it. */
  #isCopy(stream: string, seq: number): boolean {
    const copy = this.#fresh && this.#lastSeqs.get(stream) === seq;
    this.#fresh = false;
    this.#lastSeqs.set(stream, seq);
    return copy;
  }
}

const NOTHING: Made = { events: [], filtered: 0, rejected: [], badTimes: 0 };
