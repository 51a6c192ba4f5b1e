/**
 * The sink `webhook`: events into a queue file, with the position in the same transaction, and from there to one URL.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent } from "../atproto/event.ts";
import { delay } from "../pipeline/retry.ts";
import type { CheckpointStore, Sink } from "../pipeline/sink.ts";
import { fileWatch } from "./sqlite/watch.ts";
import { checkTarget } from "./webhook/address.ts";
import { Delivery } from "./webhook/delivery.ts";
import type { WebhookFigures } from "./webhook/figures.ts";
import type { WebhookSinkOptions } from "./webhook/options.ts";
import { requestsOf } from "./webhook/requests.ts";
import { openStore, type QueueStore } from "./webhook/store.ts";

export { checkTarget, reach, shownUrl } from "./webhook/address.ts";
export { DURATION_BOUNDS, type Durations, type WebhookFigures } from "./webhook/figures.ts";
export { headersFor } from "./webhook/headers.ts";
export type { DeliveryOptions, WebhookSinkOptions, WebhookTarget } from "./webhook/options.ts";

const log = getLogger(["bskyingest", "webhook"]);

/** How often a write looks whether there is room again, in milliseconds. */
const ROOM_MS = 250;
/** One line a minute is enough about a queue that is full. */
const SAY_EVERY_MS = 60_000;
/** How often a write looks whether the file is still there, in milliseconds. */
const WATCH_MS = 10_000;
/** From so many parked accounts on nothing more is taken. */
const MOST_PARKED = 10_000;
const LOOK_MS = 5000;

/** The sink, and what a user wants to read of it. */
export interface WebhookSink extends Sink<AnyEvent> {
  /** The table `cursors` of the queue file. */
  readonly checkpoints: CheckpointStore;
  /** Aborts when nothing can be delivered any more, with the reason. */
  readonly failure: AbortSignal;
  /**
   * Resolves when all events are delivered or in the dead letter, or no request may be begun any more.
   *
   * @throws {FatalError} When that takes too long.
   */
  drain(): Promise<void>;
  /** What the summary says. */
  totals(): Pick<WebhookFigures, "delivered" | "dead" | "waiting">;
  /** What is going on. */
  figures(): WebhookFigures;
}

/**
 * Opens the queue file as a sink, and begins to deliver what is in it. One batch is one transaction: its requests and its cursor.
 *
 * @throws {ConfigError} For an address, header or secret that cannot be used, and a file that cannot be made or used.
 * @throws {TransientError} Where another program keeps the file locked.
 */
export async function webhookSink(options: WebhookSinkOptions): Promise<WebhookSink> {
  const { file, batch = 1, order = "account", maxBytes = 0, onlyQueue = false, recordGaps } = options;
  const { now = Date.now, lookMs = LOOK_MS } = options;
  await checkTarget(options);
  const ordered = order === "account";
  const store = await openStore(file, { ordered, now });
  const delivery = openDelivery(options, store, lookMs);
  const watch = fileWatch(file, { everyMs: WATCH_MS, now });
  const room = roomIn(store, maxBytes, () => delivery.parkedAccounts);
  let last: WebhookFigures | undefined;
  if (!onlyQueue) delivery.start();

  function figures(): WebhookFigures {
    return last ?? { ...delivery.figures(), queue_bytes: store.usedBytes(), backpressure: room.reason };
  }

  return {
    name: "webhook",
    failure: delivery.failure,
    drain: () => delivery.drain(),
    figures,
    totals() {
      const { delivered, dead, waiting } = figures();
      return { delivered, dead, waiting };
    },
    async write({ key, items, cursor, gaps, end = false }, { signal }) {
      if (gaps?.length) await recordGaps?.(key, gaps);
      if (items.length === 0 && cursor === undefined) return { rejected: [] };
      watch.tick();
      if (items.length > 0) await room.wait(signal);
      const position = cursor === undefined ? undefined : { key, cursor, end };
      await delivery.add(requestsOf(items, { batch, ordered }), position, signal);
      return { rejected: [] };
    },
    checkpoints: {
      load: (key) => Promise.resolve(store.cursors.load(key)),
      ended: (key) => Promise.resolve(store.cursors.ended(key)),
      save: (key, cursor, end = false) => delivery.add([], { key, cursor, end }),
    },
    async [Symbol.asyncDispose]() {
      if (last) return;
      await delivery.close();
      last = figures();
      store.shrink();
      store[Symbol.dispose]();
      watch.check();
    },
  };
}

/** A file that cannot be used after all is not left open. */
function openDelivery(options: WebhookSinkOptions, store: QueueStore, lookMs: number) {
  try {
    return new Delivery({ ...options, store, lookMs });
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

/** Waits while the queue has its largest size, or too many accounts are parked. */
function roomIn(store: QueueStore, maxBytes: number, parkedAccounts: () => number) {
  let reason: WebhookFigures["backpressure"] = null;
  let saidAt = -Infinity;

  function look(): typeof reason {
    if (parkedAccounts() >= MOST_PARKED) return "parked";
    if (maxBytes === 0 || store.usedBytes() < maxBytes) return null;
    store.shrink();
    return store.usedBytes() >= maxBytes ? "bytes" : null;
  }

  return {
    get reason() {
      return reason;
    },
    async wait(signal: AbortSignal): Promise<void> {
      while ((reason = look()) !== null) {
        if (Date.now() - saidAt >= SAY_EVERY_MS) {
          saidAt = Date.now();
          log.warn("Reading pauses: {why}", {
            why: reason === "bytes"
              ? `${store.file} has reached its limit of ${maxBytes} bytes`
              : `events of ${parkedAccounts()} accounts wait for another attempt`,
          });
        }
        await delay(ROOM_MS, signal);
      }
    },
  };
}
