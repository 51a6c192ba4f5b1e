/**
 * One subscriber: a WebSocket connection after its handshake.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import type { EncodedAhead } from "./ahead.ts";
import type { Encoding } from "./encoding.ts";
import { errorFrameText, type Faults } from "./faults.ts";
import { createFeed, createPace } from "./feed.ts";
import { type Filter, FilterError, v1Filter } from "./filter.ts";
import { createLink, heartbeat, type Link, type Patience, patienceOf } from "./link.ts";
import {
  type ClientMessage,
  closeFrame,
  createFrameBuffer,
  createFrameReader,
  frame,
  FrameError,
  OPCODE,
} from "./frames.ts";
import type { EventStore } from "./store.ts";
import type { Subscription } from "./subscription.ts";

/** Live figures of a server. */
export interface SimulateCounters {
  /** Requests of any kind. */
  requests: number;
  /** Handshakes that were not accepted. */
  refused: number;
  /** Handshakes that were. */
  connections: number;
  /** Connections open now. */
  open: number;
  /** Events handed to the operating system. */
  events: number;
  /** Their bytes, frames included. */
  bytes: number;
}

/** What a session works with. */
export interface SessionContext {
  readonly store: EventStore;
  readonly encoding: Encoding;
  readonly ahead: EncodedAhead | undefined;
  readonly faults: Faults;
  readonly counters: SimulateCounters;
  readonly patience: Partial<Patience>;
}

/** A running session. */
export interface Session {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  /** Says goodbye with 1001. */
  stop(): void;
}

/** The longest client message. */
const MAX_MESSAGE = 10_000_000;
/** How long the client may take to answer a close. */
const CLOSE_LIMIT_MS = 1000;
/** Rest after a look at many events of which the client wants none. */
const IDLE_MS = 50;
/** The longest time without a turn for others. */
const SLICE_MS = 5;

const log = getLogger(["bskyingest", "simulate"]);

/** Serves a subscriber until one side ends the connection. */
export function startSession(
  conn: Deno.Conn,
  subscription: Subscription,
  context: SessionContext,
  leftover: Uint8Array,
): Session {
  const { wire } = subscription;
  const { faults, counters } = context;
  const gone = new AbortController();
  let filter = subscription.filter;
  let ending = false;
  let helloCame: () => void = () => {};
  const hello = subscription.requireHello ? new Promise<void>((resolve) => helloCame = resolve) : undefined;
  const link = createLink(conn, gone, faults.silent === true);

  const end = async (code: number, reason = "") => {
    if (ending || gone.signal.aborted) return;
    ending = true;
    const timer = setTimeout(() => gone.abort(), CLOSE_LIMIT_MS);
    gone.signal.addEventListener("abort", () => clearTimeout(timer));
    if (code === 1006) await link.hangUp();
    else await link.write(closeFrame(code, reason));
  };

  const onMessage = async (message: ClientMessage) => {
    link.heard();
    if (message.opcode === OPCODE.ping && faults.noPong !== true) await link.write(frame(OPCODE.pong, message.payload));
    if (message.opcode === OPCODE.close) {
      if (!ending) await link.write(frame(OPCODE.close, message.payload));
      gone.abort();
    }
    if (ending || message.opcode > OPCODE.binary) return;
    if (wire === "v2") return end(1008, "unexpected data message");
    if (message.opcode === OPCODE.text) filter = readUpdate(message.payload, subscription, helloCame) ?? filter;
  };

  const send = async () => {
    if (hello) await Promise.race([hello, never(gone.signal)]);
    if (faults.silent || faults.pingsOnly) return;
    await sendEvents(subscription, context, {
      link,
      signal: gone.signal,
      filter: () => filter,
      stopped: () => ending || gone.signal.aborted,
      end,
    });
  };

  const closed = (async () => {
    counters.connections++;
    counters.open++;
    const stopHeartbeat = heartbeat(link, patienceOf(wire, context.patience), gone);
    const failed = (error: unknown) => {
      if (!gone.signal.aborted) log.debug("connection lost: {why}", { why: messageOf(error) });
      gone.abort();
    };
    const received = receiveMessages(
      conn,
      leftover,
      onMessage,
      (fault) => end(wire === "legacy" ? 1000 : fault.code, fault.message),
    );
    await Promise.all([received.then(() => gone.abort(), failed), send().catch(failed)]);
    stopHeartbeat();
    counters.open--;
  })();
  return { closed, stop: () => void end(1001, "server stopping").catch(() => gone.abort()) };
}

/** Takes what the client sends until it hangs up. @param leftover What was received already. */
async function receiveMessages(
  conn: Deno.Conn,
  leftover: Uint8Array,
  onMessage: (message: ClientMessage) => Promise<void>,
  onFault: (fault: FrameError) => Promise<void>,
): Promise<void> {
  const messages = createFrameReader(MAX_MESSAGE);
  const chunk = new Uint8Array(64 * 1024);
  for (let bytes = leftover;;) {
    try {
      for (const message of messages(bytes)) await onMessage(message);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      await onFault(error);
    }
    const read = await conn.read(chunk);
    if (read === null) return;
    bytes = chunk.subarray(0, read);
  }
}

/** Rejects when the signal aborts. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** What the sender needs of its session. */
interface Sender {
  readonly link: Link;
  readonly signal: AbortSignal;
  filter(): Filter;
  stopped(): boolean;
  end(code: number, reason?: string): Promise<void>;
}

/** Sends events until a fault says otherwise, the store's end is reached, or the connection ends. */
async function sendEvents(subscription: Subscription, context: SessionContext, sender: Sender): Promise<void> {
  const { store, encoding, faults, counters } = context;
  const { closeAfter = Infinity, stallAfter = Infinity, errorFrame } = faults;
  const start = faults.startAt === undefined ? subscription.start : store.bySeq(faults.startAt);
  const sentBefore = subscription.byTime ? store.newestSent() : 0;
  const feed = createFeed(store, subscription.wire, { start, sentBefore, encoding }, faults, context.ahead);
  const pace = createPace(faults.rate ?? 0);
  const buffer = createFrameBuffer();
  const turns = createTurns();
  const limit = Math.min(closeAfter, stallAfter, errorFrame?.after ?? Infinity);
  if (subscription.notice !== undefined) encoding.add(buffer, subscription.notice);
  while (!sender.stopped() && feed.fresh < limit && !feed.ended) {
    const { events, wait } = pace.due();
    const added = feed.fill(buffer, sender.filter(), Math.min(events, limit - feed.fresh));
    pace.count(added);
    const { size } = buffer;
    if (size > 0) await sender.link.write(buffer.take());
    counters.events += added;
    counters.bytes += size;
    if (wait > 0) await delay(wait, sender.signal);
    else if (added === 0) await delay(IDLE_MS, sender.signal);
    else await turns();
  }
  if (buffer.size > 0) await sender.link.write(buffer.take());
  if (sender.stopped()) return;
  if (errorFrame?.after === feed.fresh) {
    encoding.add(buffer, errorFrameText(errorFrame.name, feed.lastSeq));
    await sender.link.write(buffer.take());
    await sender.end(1006);
  }
  if (closeAfter === feed.fresh) await sender.end(faults.closeCode ?? 1006, faults.closeReason);
}

/** A socket that takes everything at once never gives others their turn by itself. */
function createTurns(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        since = performance.now();
        resolve();
      })
    );
  };
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
