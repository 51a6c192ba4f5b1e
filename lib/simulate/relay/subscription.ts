/**
 * Requests for `subscribeRepos` and `subscribeLabels`, and what follows from their cursors.
 *
 * @module
 */
import { type Answer, type Request, xrpcAnswer } from "../http.ts";
import type { FrameStore } from "../store.ts";

/** Paths of the two streams. */
export const REPOS_PATH = "/xrpc/com.atproto.sync.subscribeRepos",
  LABELS_PATH = "/xrpc/com.atproto.label.subscribeLabels";

/** What a client asked for, checked. */
export interface RelaySubscription {
  readonly store: FrameStore;
  /** The cursor; `undefined`: none. */
  readonly cursor: number | undefined;
  /** `Sec-WebSocket-Key`. */
  readonly key: string;
}

/** Where a subscriber begins. */
export interface Start {
  /** The first position. */
  readonly position: number;
  /** To be said first. */
  readonly notice?: "OutdatedCursor";
  /** To be said in place of everything. */
  readonly error?: "FutureCursor";
}

/** Checks a request for a stream. */
export function relaySubscription({ url, headers }: Request, store: FrameStore): RelaySubscription | Answer {
  const text = url.searchParams.get("cursor") ?? "";
  if (!/^\d*$/.test(text) || !Number.isSafeInteger(Number(text))) {
    return xrpcAnswer(400, "InvalidRequest", "Error: cursor must be an integer");
  }
  const key = headers.get("sec-websocket-key") ?? "";
  const asks = /\bupgrade\b/i.test(headers.get("connection") ?? "") &&
    /^websocket$/i.test(headers.get("upgrade") ?? "");
  if (!asks || key === "") {
    return { ...xrpcAnswer(426, "UpgradeRequired", "Use a WebSocket"), headers: { Upgrade: "websocket" } };
  }
  return { store, cursor: text === "" ? undefined : Number(text), key };
}

/**
 * Where to begin: behind the cursor. Generated frames have no end, so that no cursor is in their future: it goes on from there.
 *
 * @param oldest The oldest sequence number that a cursor can reach.
 * @param quiet As the fault `quietCursors`.
 */
export function startOf({ store, cursor }: RelaySubscription, oldest: number, quiet: boolean): Start {
  const floor = store.bySeq(oldest), live = Math.max(floor, store.live());
  if (cursor === undefined) return { position: live };
  if (cursor === 0) return { position: floor };
  const newest = store.last === Infinity ? Infinity : store.last === 0 ? 0 : store.seqOf(store.last);
  if (cursor > newest) return quiet ? { position: live } : { position: live, error: "FutureCursor" };
  if (floor > store.last || cursor >= store.seqOf(floor) - 1) return { position: store.bySeq(cursor + 1) };
  return quiet ? { position: floor } : { position: floor, notice: "OutdatedCursor" };
}
