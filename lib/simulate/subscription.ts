/**
 * From a request to a subscription, or to the HTTP answer that the server gives instead: what is checked, in which order and
 * in whose words, as in golden answers of the 2026 server and the code of the 2024 one.
 *
 * @module
 */
import { type Filter, FilterError, v1Filter, v1Limit, v2Filter } from "./filter.ts";
import { type Answer, type Request, textAnswer, xrpcAnswer } from "./http.ts";
import type { EventStore, Wire } from "./store.ts";

/** Which server is simulated: the rewrite of 2026 (v1 and v2 wire), or the one of 2024 (v1 only). */
export type ServerKind = "new" | "legacy";

/** Paths of the two wires, and of the second one's dictionary. */
export const V1_PATH = "/subscribe", V2_PATH = "/xrpc/network.bsky.jetstream.subscribeEvents";
export const DICTIONARY_PATH = "/xrpc/network.bsky.jetstream.getZstdDictionary";
const SUBPROTOCOL = "xrpc.v1.json";
/** Cursors from here on are microseconds, those below are sequence numbers. */
const MICROSECONDS_FROM = 1e15;

/** What a client asked for, checked. */
export interface Subscription {
  readonly wire: Wire;
  readonly filter: Filter;
  /** The first position to send. */
  readonly start: number;
  /** A client that asks by time has to ask for some events again. */
  readonly byTime?: boolean;
  /** To be said first on v2: why it does not start where it was asked to. */
  readonly notice?: string;
  readonly requireHello: boolean;
  /** Messages are to be zstd frames. */
  readonly compressed: boolean;
  /** `Sec-WebSocket-Key`. */
  readonly key: string;
  readonly protocol?: string;
}

/** What a request is judged by. */
export interface Service {
  readonly kind: ServerKind;
  readonly store: EventStore;
  /** The oldest sequence number that a cursor can reach. */
  readonly oldest: number;
  /** The id of the dictionary that the server compresses with. */
  readonly dictionaryId: number;
}

/** Thrown on the way to a subscription: the answer to give instead. */
class Refusal extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`HTTP ${answer.status}`);
    this.answer = answer;
  }
}

/** Which wire a path speaks; `undefined`: none. */
export function wireOf(path: string, kind: ServerKind): Wire | undefined {
  if (path === V1_PATH) return kind === "new" ? "v1" : "legacy";
  return path === V2_PATH && kind === "new" ? "v2" : undefined;
}

/** An error in the shape of a wire: plain text on v1, XRPC's elsewhere. */
export function errorAnswer(wire: Wire | "relay", status: number, name: string, message: string): Answer {
  return wire === "v2" || wire === "relay" ? xrpcAnswer(status, name, message) : textAnswer(status, message);
}

/** Checks a request for a wire. */
export function subscribe(request: Request, wire: Wire, service: Service): Subscription | Answer {
  try {
    const query = request.url.searchParams;
    if (wire === "legacy") return legacySubscription(request, query, service);
    const compressed = wire === "v2" ? v2Compression(request, service.dictionaryId) : v1Compression(request);
    const filter = wire === "v2" ? v2Filter(query) : v1QueryFilter(query, wire);
    const start = startOf(query.get("cursor") ?? "", wire, service);
    checkUpgrade(request);
    const requireHello = wire === "v1" && query.get("requireHello") === "true";
    const offered = request.headers.get("sec-websocket-protocol")?.split(",").map((token) => token.trim()) ?? [];
    const protocol = wire === "v2" && offered.includes(SUBPROTOCOL) ? { protocol: SUBPROTOCOL } : {};
    return { wire, filter, ...start, requireHello, compressed, key: keyOf(request), ...protocol };
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    if (error instanceof FilterError) return errorAnswer(wire, 400, "InvalidRequest", error.message);
    throw error;
  }
}

function legacySubscription(request: Request, query: URLSearchParams, service: Service): Subscription {
  const start = startOf(query.get("cursor") ?? "", "legacy", service);
  const filter = v1QueryFilter(query, "legacy");
  const { headers } = request;
  const asks = /\bupgrade\b/i.test(headers.get("connection") ?? "") &&
    /^websocket$/i.test(headers.get("upgrade") ?? "");
  if (!asks || keyOf(request) === "") throw new Refusal(textAnswer(400, "Bad Request"));
  const requireHello = query.get("requireHello") === "true", compressed = asksForZstd(request);
  return { wire: "legacy", filter, ...start, requireHello, compressed, key: keyOf(request) };
}

function keyOf(request: Request): string {
  return request.headers.get("sec-websocket-key") ?? "";
}

function v1QueryFilter(query: URLSearchParams, wire: Wire): Filter {
  const maxBytes = v1Limit(query.get("maxMessageSizeBytes") ?? "");
  return v1Filter({ collections: query.getAll("wantedCollections"), dids: query.getAll("wantedDids"), maxBytes }, wire);
}

/** v1's two ways to switch compression on. */
function asksForZstd({ url, headers }: Request): boolean {
  return url.searchParams.get("compress") === "true" || (headers.get("socket-encoding") ?? "").includes("zstd");
}

function v1Compression(request: Request): boolean {
  if (!asksForZstd(request)) return false;
  if (!(request.headers.get("sec-websocket-extensions") ?? "").includes("permessage-deflate")) return true;
  throw new Refusal(textAnswer(
    400,
    "choose one compression scheme: custom zstd (compress=true / Socket-Encoding: zstd) or RFC 7692 permessage-deflate, not both",
  ));
}

/** v2's switch names the dictionary. */
function v2Compression(request: Request, current: number): boolean {
  const refuse = (name: string, message: string) => new Refusal(xrpcAnswer(400, name, message));
  if (asksForZstd(request)) {
    throw refuse(
      "InvalidRequest",
      "compress=true / Socket-Encoding: zstd is the /subscribe (v1) opt-in; this endpoint uses zstdDictionary=<id> with the dictionary from getZstdDictionary",
    );
  }
  const id = request.url.searchParams.get("zstdDictionary") ?? "";
  if (id === "") return false;
  if (!/^\d+$/.test(id) || Number(id) === 0 || Number(id) > 0xffffffff) {
    throw refuse("InvalidRequest", "zstdDictionary must be a positive integer zstd dictionary ID");
  }
  if (Number(id) === current) return true;
  throw refuse(
    "UnknownZstdDictionary",
    `unknown zstd dictionary id ${id}; current dictionary id is ${current} (fetch it via getZstdDictionary and reconnect)`,
  );
}

/** The last thing that a new server looks at. */
function checkUpgrade(request: Request): void {
  const { headers, method } = request;
  const refuse = (status: number, why: string) => new Refusal(textAnswer(status, why));
  const violation = "WebSocket protocol violation: ";
  const connection = headers.get("connection") ?? "", upgrade = headers.get("upgrade") ?? "";
  if (!/\bupgrade\b/i.test(connection)) {
    throw refuse(426, `${violation}Connection header ${JSON.stringify(connection)} does not contain Upgrade`);
  }
  if (!/\bwebsocket\b/i.test(upgrade)) {
    throw refuse(426, `${violation}Upgrade header ${JSON.stringify(upgrade)} does not contain websocket`);
  }
  if (method !== "GET") {
    throw refuse(405, `${violation}handshake request method is not GET but ${JSON.stringify(method)}`);
  }
  if (keyOf(request) === "") throw refuse(400, `${violation}missing Sec-WebSocket-Key`);
}

/** Where to begin. Inclusive: the event at the cursor comes again. */
function startOf(
  text: string,
  wire: Wire,
  { store, oldest }: Service,
): Pick<Subscription, "start" | "byTime" | "notice"> {
  const floor = store.bySeq(oldest);
  const live = Math.max(floor, store.live());
  if (text === "") return { start: live };
  const cursor = cursorOf(text, wire);
  if (floor > store.last) return { start: live };
  if (cursor <= 0) return { start: floor };
  if (wire !== "legacy" && cursor < MICROSECONDS_FROM) {
    const first = store.seqOf(floor);
    if (cursor >= first) return { start: store.bySeq(cursor) };
    if (wire === "v1") return { start: floor };
    const message =
      `subscribe: cursor too old: cursor ${cursor} below lookback floor ${first}; re-backfill from your last seq`;
    throw new Refusal(xrpcAnswer(400, "CursorTooOld", message));
  }
  const first = store.timeOf(floor);
  if (first === undefined) return { start: live };
  if (cursor >= first) return { start: Math.max(floor, store.byTime(cursor)), byTime: true };
  const clamped = { start: floor, byTime: true };
  return wire === "v2" ? { ...clamped, notice: outdatedCursor(store.seqOf(floor)) } : clamped;
}

function cursorOf(text: string, wire: Wire): number {
  const invalid = (why: string) => {
    const message = wire === "legacy" ? `invalid cursor: ${text}` : `subscribe: invalid cursor: ${why}`;
    return new Refusal(errorAnswer(wire, 400, "InvalidRequest", message));
  };
  if (!/^[+-]?\d+$/.test(text) || Math.abs(Number(text)) >= 2 ** 63) throw invalid(JSON.stringify(text));
  if (Number(text) < 0 && wire !== "legacy") throw invalid(`negative value ${Number(text)}`);
  return Number(text);
}

function outdatedCursor(seq: number): string {
  const message = `requested timestamp cursor below retention floor; starting at seq ${seq}`;
  const $type = "network.bsky.jetstream.subscribeEvents#info";
  return JSON.stringify({ $type: "message", payload: { $type, message, name: "OutdatedCursor" } });
}
