/**
 * What a simulated server does wrong on purpose.
 *
 * @module
 */
import type { Encoding } from "./encoding.ts";
import type { FrameBuffer } from "./frames.ts";
import type { Wire } from "./store.ts";

/**
 * Faults of a server, or of one connection. Counts are those of the connection's own events; what a client that resumes by time
 * is sent again does not count, or it could never get past a `closeAfter` that its overlap covers.
 */
export interface Faults {
  /** Events a second; 0: as fast as they are read. */
  readonly rate?: number;
  /** End the connection after so many events. */
  readonly closeAfter?: number;
  /** How: 1006, the default, cuts without a close frame. */
  readonly closeCode?: number;
  /** The reason in the close frame; 123 bytes of it are sent. */
  readonly closeReason?: string;
  /** Send nothing more after so many events, but stay. */
  readonly stallAfter?: number;
  /** Answer the handshake with this HTTP status. */
  readonly refuse?: number;
  /** How many handshakes of this server are answered so; 0: all. */
  readonly refuseTimes?: number;
  /** The words of that answer. */
  readonly refuseMessage?: string;
  /** Its `Retry-After`, in seconds. */
  readonly retryAfter?: number;
  /** An error frame after so many events, then the end of the connection. */
  readonly errorFrame?: {
    readonly after: number;
    readonly name: string;
    /** Only of relays and labelers: its message. */
    readonly message?: string;
    /** Only of relays and labelers: a type in its header, as some servers have it. */
    readonly type?: string;
  };
  /**
   * Every so-manieth message is broken, before compression, in turn in each way that {@link DAMAGES} knows; frames of relays and
   * labelers in those of `FRAME_DAMAGES`.
   */
  readonly damage?: number;
  /** Begin at this sequence number, whatever the client asked for. */
  readonly startAt?: number;
  /** Messages to send in place of events, then silence: text, or binary ones, neither of which is ever compressed. */
  readonly raw?: readonly (string | Uint8Array)[];
  /** Accept, and then send nothing at all. */
  readonly silent?: boolean;
  /** Send pings and pongs, but no events. */
  readonly pingsOnly?: boolean;
  /** Do not answer pings. */
  readonly noPong?: boolean;
  /** Only of relays and labelers: after so many frames go back, and send the last `by` again, once. */
  readonly goBack?: { readonly after: number; readonly by: number };
  /**
   * Only of relays and labelers: say nothing of a cursor that is too old, and take one from the future for none at all, as
   * today's large relays do.
   */
  readonly quietCursors?: boolean;
}

type Json = Record<string, unknown>;

const encoder = new TextEncoder();
const constant = (text: string) => () => text;

/** The ways in which a message can be broken: text, or the bytes of a text message. */
export const DAMAGES: readonly ((message: string, wire: Wire) => string | Uint8Array)[] = [
  constant("not json"),
  constant("[]"),
  constant("123"),
  constant("null"),
  constant('""'),
  constant("{}"),
  constant('{"kind":"commit"}'),
  (message, wire) => change(message, wire, { kind: "commit", commit: null }, { collection: null, operation: null }),
  (message, wire) => change(message, wire, { time_us: "now" }, { time: "now" }),
  (message) => {
    const bytes = encoder.encode(message);
    bytes[bytes.indexOf(0x3a) - 2] = 0xff; // within the first member's name
    return bytes;
  },
];

/** The message with other members; v2 has them one level lower. */
function change(message: string, wire: Wire, v1: Json, v2: Json): string {
  const value = JSON.parse(message) as Json;
  return JSON.stringify(
    wire === "v2" ? { ...value, payload: { ...value.payload as Json, ...v2 } } : { ...value, ...v1 },
  );
}

/** Adds the `n`-th broken message, made of a good one. */
export function addDamaged(buffer: FrameBuffer, encoding: Encoding, n: number, message: string, wire: Wire): void {
  encoding.add(buffer, DAMAGES[n % DAMAGES.length]!(message, wire));
}

/** A v2 error frame, in the words of a real server where it has some; it advises to go on behind `seq`. */
export function errorFrameText(name: string, seq: number): string {
  const message = name === "ConsumerTooSlow"
    ? `reading below the floor rate 110117 events behind the tip; reconnect with cursor=${seq + 1}`
    : "stream read failed; reconnect";
  return JSON.stringify({ $type: "error", error: name, message });
}
