/**
 * The way to a subscriber: ordered writes with back-pressure, pings, and the limits of a client's patience.
 *
 * @module
 */
import { frame, OPCODE } from "./frames.ts";
import type { Wire } from "./store.ts";

/** How long a server waits; milliseconds. */
export interface Patience {
  /** Between two pings. */
  readonly pingIntervalMs: number;
  /** One write may take so long before the connection is dropped. */
  readonly writeLimitMs: number;
  /** And a pong; legacy servers do not mind. */
  readonly pongLimitMs: number;
}

/** What real servers do; relays ping after 30 s of silence, and cut a client that takes nothing for about as long. */
export function patienceOf(wire: Wire | "relay", options: Partial<Patience>): Patience {
  if (wire === "relay") return { pingIntervalMs: 30_000, writeLimitMs: 30_000, pongLimitMs: Infinity, ...options };
  return {
    pingIntervalMs: options.pingIntervalMs ?? 30_000,
    writeLimitMs: options.writeLimitMs ?? (wire === "legacy" ? 10_000 : 5000),
    pongLimitMs: options.pongLimitMs ?? (wire === "legacy" ? Infinity : 5000),
  };
}

/** The way to the client. Writes follow each other; who awaits them has back-pressure. */
export interface Link {
  /** When the write that is under way began (`performance.now()`), or `undefined`. */
  readonly writingSince: number | undefined;
  /** When anything was last received. */
  readonly heardAt: number;
  write(bytes: Uint8Array): Promise<void>;
  heard(): void;
  /** No more bytes to the client, which may still read what is on its way. */
  hangUp(): Promise<void>;
}

/** @param silent Nothing is ever written. */
export function createLink(conn: Deno.Conn, gone: AbortController, silent: boolean): Link {
  let last = Promise.resolve();
  let writingSince: number | undefined;
  let heardAt = performance.now();
  gone.signal.addEventListener("abort", () => closeQuietly(conn));
  const queue = (job: () => Promise<void>) => last = last.then(() => gone.signal.aborted ? undefined : job());
  return {
    get writingSince() {
      return writingSince;
    },
    get heardAt() {
      return heardAt;
    },
    heard: () => heardAt = performance.now(),
    write: (bytes) =>
      silent ? Promise.resolve() : queue(async () => {
        writingSince = performance.now();
        for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
        writingSince = undefined;
      }),
    hangUp: () => queue(() => conn.closeWrite()),
  };
}

/** Pings; and cuts a client that does not take what is written, or does not answer a ping. */
export function heartbeat(link: Link, patience: Patience, gone: AbortController): () => void {
  const { pingIntervalMs, writeLimitMs, pongLimitMs } = patience;
  let pinged = performance.now(), answered = true;
  const timer = setInterval(() => {
    const now = performance.now();
    answered ||= link.heardAt > pinged;
    const stuck = link.writingSince !== undefined && now - link.writingSince > writeLimitMs;
    if (stuck || !answered && now - pinged > pongLimitMs) return gone.abort();
    if (now - pinged < pingIntervalMs) return;
    [pinged, answered] = [now, false];
    link.write(frame(OPCODE.ping)).catch(() => gone.abort());
  }, Math.min(1000, pingIntervalMs));
  return () => clearInterval(timer);
}

/** Closes a connection that may be closed already. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // The other side, or somebody else here, was faster.
  }
}
