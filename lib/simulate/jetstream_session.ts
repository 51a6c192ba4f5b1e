/**
 * What a subscriber of Jetstream is sent, and what it may say.
 *
 * @module
 */
import type { EncodedAhead } from "./ahead.ts";
import type { Encoding } from "./encoding.ts";
import { errorFrameText, type Faults } from "./faults.ts";
import { createFeed } from "./feed.ts";
import { type Filter, FilterError, v1Filter } from "./filter.ts";
import { type ClientMessage, FrameError, OPCODE } from "./frames.ts";
import { type Patience, patienceOf } from "./link.ts";
import { sendFeed } from "./send.ts";
import type { Sender, SessionOptions, SimulateCounters } from "./session.ts";
import type { EventStore } from "./store.ts";
import type { Subscription } from "./subscription.ts";

/** What sessions of Jetstream work with. */
export interface JetstreamContext {
  readonly store: EventStore;
  readonly encoding: Encoding;
  readonly ahead: EncodedAhead | undefined;
  readonly faults: Faults;
  readonly counters: SimulateCounters;
  readonly patience: Partial<Patience>;
}

/** The session of a subscription. */
export function jetstreamSession(subscription: Subscription, context: JetstreamContext): SessionOptions {
  const { wire } = subscription;
  const { store, encoding, faults, counters } = context;
  let filter = subscription.filter;
  let helloCame: () => void = () => {};
  const hello = subscription.requireHello ? new Promise<void>((resolve) => helloCame = resolve) : undefined;

  const onData = async (message: ClientMessage, sender: Sender) => {
    if (wire === "v2") await sender.end(1008, "unexpected data message");
    else if (message.opcode === OPCODE.text) filter = readUpdate(message.payload, subscription, helloCame) ?? filter;
  };
  const send = async (sender: Sender) => {
    if (hello) await Promise.race([hello, never(sender.signal)]);
    const start = faults.startAt === undefined ? subscription.start : store.bySeq(faults.startAt);
    const sentBefore = subscription.byTime ? store.newestSent() : 0;
    const feed = createFeed(store, wire, { start, sentBefore, encoding }, () => filter, faults, context.ahead);
    const { notice } = subscription;
    await sendFeed(sender, {
      feed,
      faults,
      counters,
      opening: (buffer) => notice !== undefined && encoding.add(buffer, notice),
      error: (buffer, { name }) => encoding.add(buffer, errorFrameText(name, feed.lastSeq)),
    });
  };
  return {
    faults,
    counters,
    patience: patienceOf(wire, context.patience),
    onData,
    closeCodeOf: (fault) => wire === "legacy" ? 1000 : fault.code,
    send,
  };
}

/** Rejects when the signal aborts. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** The filter of an `options_update`, which replaces the whole one; `undefined` for a message that is something else. */
function readUpdate(payload: Uint8Array, subscription: Subscription, accepted: () => void): Filter | undefined {
  const { wire } = subscription;
  const legacy = (what: string, why: string) => new FrameError(1000, `failed to ${what}: ${why}`);
  const message = parse(payload);
  if (message === undefined) {
    throw wire === "legacy"
      ? legacy("unmarshal subscriber sourced message", "invalid JSON")
      : new FrameError(1007, "bad SubscriberSourcedMessage envelope");
  }
  if (message.type !== "options_update") return undefined;
  const update = (message.payload ?? {}) as Record<string, unknown>;
  const collections = update.wantedCollections ?? [],
    dids = update.wantedDids ?? [],
    size = update.maxMessageSizeBytes ?? 0;
  if (!isTexts(collections) || !isTexts(dids) || !Number.isInteger(size)) {
    throw wire === "legacy"
      ? legacy("unmarshal subscriber options update", "wrong type")
      : new FrameError(1007, "bad options_update payload");
  }
  try {
    const filter = v1Filter({ collections, dids, maxBytes: Math.max(0, size as number) }, wire);
    accepted();
    return filter;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw wire === "legacy" ? legacy("parse subscriber options", error.message) : new FrameError(1008, error.message);
  }
}

/** A JSON object, or `undefined`. */
function parse(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
