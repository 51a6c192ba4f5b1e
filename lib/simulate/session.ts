/**
 * One subscriber: a WebSocket connection after its handshake, whatever is sent on it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../pipeline/errors.ts";
import type { Faults } from "./faults.ts";
import { createLink, heartbeat, type Link, type Patience } from "./link.ts";
import { type ClientMessage, closeFrame, createFrameReader, frame, FrameError, OPCODE } from "./frames.ts";

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

/** What a session is about. */
export interface SessionOptions {
  readonly faults: Faults;
  readonly counters: SimulateCounters;
  readonly patience: Patience;
  /** Text and binary messages of the client; it may throw {@link FrameError}. */
  onData(message: ClientMessage, sender: Sender): void | Promise<void>;
  /** The close code for a client that does not keep to the rules. */
  closeCodeOf(fault: FrameError): number;
  /** Sends what there is to send; not called where a fault keeps the connection quiet. */
  send(sender: Sender): Promise<void>;
}

/** What a session's sender may do. */
export interface Sender {
  readonly link: Link;
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal;
  /** Whether the connection is ending or gone. */
  stopped(): boolean;
  /** Ends the connection; 1006: without a close frame. */
  end(code: number, reason?: string): Promise<void>;
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

const log = getLogger(["bskyingest", "simulate"]);

/** Serves a subscriber until one side ends the connection. @param leftover What was received behind the handshake. */
export function startSession(conn: Deno.Conn, options: SessionOptions, leftover: Uint8Array): Session {
  const { faults, counters } = options;
  const gone = new AbortController();
  let ending = false;
  const link = createLink(conn, gone, faults.silent === true);

  const end = async (code: number, reason = "") => {
    if (ending || gone.signal.aborted) return;
    ending = true;
    const timer = setTimeout(() => gone.abort(), CLOSE_LIMIT_MS);
    gone.signal.addEventListener("abort", () => clearTimeout(timer));
    if (code === 1006) await link.hangUp();
    else await link.write(closeFrame(code, reason));
  };
  const sender: Sender = { link, signal: gone.signal, stopped: () => ending || gone.signal.aborted, end };

  const onMessage = async (message: ClientMessage) => {
    link.heard();
    if (message.opcode === OPCODE.ping && faults.noPong !== true) await link.write(frame(OPCODE.pong, message.payload));
    if (message.opcode === OPCODE.close) {
      if (!ending) await link.write(frame(OPCODE.close, message.payload));
      gone.abort();
    }
    if (!ending && message.opcode <= OPCODE.binary) await options.onData(message, sender);
  };

  const closed = (async () => {
    counters.connections++;
    counters.open++;
    const stopHeartbeat = heartbeat(link, options.patience, gone);
    const failed = (error: unknown) => {
      if (!gone.signal.aborted) log.debug("connection lost: {why}", { why: messageOf(error) });
      gone.abort();
    };
    const onFault = (fault: FrameError) => end(options.closeCodeOf(fault), fault.message);
    const received = receiveMessages(conn, leftover, onMessage, onFault);
    const sent = faults.silent || faults.pingsOnly ? Promise.resolve() : options.send(sender);
    await Promise.all([received.then(() => gone.abort(), failed), sent.catch(failed)]);
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
