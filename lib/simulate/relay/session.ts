/**
 * What a subscriber of a relay or a labeler is sent.
 *
 * @module
 */
import type { Faults } from "../faults.ts";
import { type Feed, rawFeed } from "../feed.ts";
import { FrameError, OPCODE } from "../frames.ts";
import { type Patience, patienceOf } from "../link.ts";
import { errorFrame, infoFrame } from "../repos/messages.ts";
import { sendFeed } from "../send.ts";
import type { SessionOptions, SimulateCounters } from "../session.ts";
import type { FrameStore } from "../store.ts";
import { FRAME_DAMAGES } from "./damages.ts";
import { type RelaySubscription, startOf } from "./subscription.ts";

/** What sessions of relays and labelers work with. */
export interface RelayContext {
  readonly faults: Faults;
  readonly counters: SimulateCounters;
  readonly patience: Partial<Patience>;
  /** The oldest sequence number that a cursor can reach. */
  readonly oldest: number;
}

/** Bytes that one write carries at least, where there are so many. */
const BATCH_BYTES = 64 * 1024;
/** Making frames for so long is enough before others get their turn: signing is slow. */
const SLICE_MS = 5;
const OUTDATED = "Requested cursor exceeded limit. Possibly missing events";
const FUTURE = "Cursor in the future.";

/** The session of a subscription. */
export function relaySession(subscription: RelaySubscription, context: RelayContext): SessionOptions {
  const { faults, counters, oldest } = context;
  const { store } = subscription;
  return {
    faults,
    counters,
    patience: patienceOf("relay", context.patience),
    onData() {
      throw new FrameError(1003, "unexpected data message");
    },
    closeCodeOf: (fault) => fault.code,
    async send(sender) {
      const { position, notice, error } = startOf(subscription, oldest, faults.quietCursors === true);
      const start = faults.startAt === undefined ? position : store.bySeq(faults.startAt);
      const future = error && { errorFrame: { after: 0, name: error, message: FUTURE } };
      await sendFeed(sender, {
        feed: faults.raw ? rawFeed(faults.raw) : frameFeed(store, start, faults),
        faults: { ...faults, ...(faults.startAt === undefined && future) },
        counters,
        opening(buffer) {
          if (notice) buffer.add(OPCODE.binary, infoFrame(notice, OUTDATED));
        },
        error: (buffer, { name, message, type }) => buffer.add(OPCODE.binary, errorFrame(name, message, type)),
      });
    },
  };
}

/** Frames of a store from a position on. */
function frameFeed(store: FrameStore, start: number, { damage = 0, goBack }: Faults): Feed {
  let position = start, sent = 0;
  return {
    get sent() {
      return sent;
    },
    get fresh() {
      return sent;
    },
    get lastSeq() {
      return sent === 0 ? 0 : store.seqOf(position - 1);
    },
    get ended() {
      return position > store.last && goBack?.after !== sent;
    },
    fill(buffer, most) {
      const before = sent, until = performance.now() + SLICE_MS;
      const full = () => buffer.size >= BATCH_BYTES || performance.now() > until;
      for (; sent - before < most && !full(); position++, sent++) {
        if (goBack?.after === sent) position = Math.max(1, position - goBack.by);
        if (position > store.last) break;
        const frame = store.read(position);
        const damaged = damage > 0 && (sent + 1) % damage === 0;
        const message = damaged ? FRAME_DAMAGES[((sent + 1) / damage - 1) % FRAME_DAMAGES.length]!(frame) : frame;
        if (typeof message === "string") buffer.text(message);
        else buffer.add(OPCODE.binary, message);
      }
      store.sent(position - 1);
      return sent - before;
    },
  };
}
