/**
 * What sources show of the messages that they receive, before anything of them is decoded.
 *
 * @module
 */
import type { Frames } from "../net/websocket.ts";

/** What a tap is shown: connections, and between them the messages as they came. */
export type TapEntry =
  | {
    readonly type: "opened";
    readonly url: string;
    readonly host: string;
    /** Of the messages: those of Jetstream, or frames of relays and labelers. */
    readonly wire: "v1" | "v2" | "relay";
  }
  | { readonly type: "frames"; readonly frames: Frames }
  | { readonly type: "closed"; readonly code: number; readonly reason: string };
