/**
 * Events as requests: one row of the queue is one request, whose events are fixed from the beginning. It owns as many numbers as
 * it has events, so that it can be cut without changing the order of the queue.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AnyEvent, dedupeKey, toJson } from "../../atproto/event.ts";

/** What a request says. */
export interface Content {
  /** In UTF-8: the JSON text of its event, or an array of them with {@link BETWEEN} between its elements. */
  readonly body: Uint8Array;
  /** Their dedupe keys. */
  readonly keys: readonly string[];
  /** Whose they are, each once. */
  readonly accounts: readonly string[];
}

/** How a request has fared; times in milliseconds since 1970. */
export interface Fate {
  /** Failures that count against its events. */
  attempts: number;
  /** Failures that do not. */
  deferrals: number;
  /** Not sent before that; 0: at once. */
  notBefore: number;
  /** undefined: it has not failed yet. */
  firstAttemptAt: number | undefined;
}

/** A row of the queue. */
export interface Request extends Fate {
  /** The number of its first event. */
  readonly id: number;
  /** How many events. */
  readonly count: number;
  /** Whose they are, each once. Empty: they need no order. */
  readonly accounts: readonly string[];
  /** When its events came, in milliseconds since 1970. */
  readonly createdAt: number;
  /** undefined: it is in the queue file only. */
  content: Content | undefined;
}

/** Stands between the elements of an array. No element has a line feed in it. */
const BETWEEN = ",\n";
const OPEN = Buffer.from("["), CLOSE = Buffer.from("]");

/** A request of several events is no larger than that, in characters. */
const MOST_CHARACTERS = 2 ** 24;

/** Kinds that a dedupe key begins with; that of a commit begins with the account, that of a label with the labeler. */
const KINDS: ReadonlySet<string> = new Set(["identity", "account", "sync", "repo"]);

/** Text of each event of a request. */
export function textsOf(content: Content): string[] {
  const { body } = content;
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString();
  return isArray(content) ? text.slice(1, -1).split(BETWEEN) : [text];
}

/** What is sent: an array or not, however the request was made. */
export function bodyOf(content: Content, asArray: boolean): Uint8Array {
  const { body } = content;
  if (asArray === isArray(content)) return body;
  return asArray ? Buffer.concat([OPEN, body, CLOSE]) : body.subarray(1, -1);
}

/** An event is an object. */
function isArray({ body }: Content): boolean {
  return body[0] === OPEN[0];
}

/** The accounts of events with these dedupe keys, each once. */
export function accountsOf(keys: readonly string[]): string[] {
  return keys.length === 1 ? [accountOfKey(keys[0]!)] : [...new Set(keys.map(accountOfKey))];
}

/** The account that an event belongs to; of a label, the labeler. */
function accountOfKey(key: string): string {
  const end = key.indexOf("\n");
  const first = key.slice(0, end);
  return KINDS.has(first) ? key.slice(end + 1, key.indexOf("\n", end + 1)) : first;
}

/** Options of {@link requestsOf}. */
export interface RequestsOptions {
  /** The most events of a request. */
  readonly batch: number;
  /** Whether events of one account keep their order. */
  readonly ordered: boolean;
}

/** What to send, in this order. */
export function requestsOf(events: readonly AnyEvent[], { batch, ordered }: RequestsOptions): Content[] {
  const keys = events.map(dedupeKey);
  const accounts = keys.map(accountOfKey); // the same objects everywhere: each is hashed once
  const groups = batch > 1 && ordered ? spread(accounts, batch) : [keys.keys()];
  const contents: Content[] = [];
  for (const group of groups) {
    let texts: string[] = [], own: string[] = [], whose = new Set<string>();
    let characters = 0;
    const cut = () => {
      if (own.length > 0) contents.push({ body: bytesOf(texts, batch > 1), keys: own, accounts: [...whose] });
      [texts, own, whose, characters] = [[], [], new Set(), 0];
    };
    for (const i of group) {
      const text = batch > 1 ? onOneLine(toJson(events[i]!)) : toJson(events[i]!);
      if (own.length === batch || characters + text.length > MOST_CHARACTERS) cut();
      texts.push(text);
      own.push(keys[i]!);
      whose.add(accounts[i]!);
      characters += text.length;
    }
    cut();
  }
  return contents;
}

/**
 * Numbers of events in groups of `size`, the accounts in turn, so that most accounts are in one group only and the groups can be sent side
 * by side. Events of accounts whose group is full come last.
 */
function spread(accounts: readonly string[], size: number): number[][] {
  const last = Math.ceil(accounts.length / size);
  const groups: number[][] = Array.from({ length: last + 1 }, () => []);
  const isFull = (place: number) => place < last && groups[place]!.length >= size;
  const placeOf = new Map<string, number>();
  let turn = 0;
  for (const [i, account] of accounts.entries()) {
    const known = placeOf.get(account);
    while (known === undefined && isFull(turn % last)) turn++;
    const place = known === undefined ? turn++ % last : isFull(known) ? last : known;
    if (place !== known) placeOf.set(account, place);
    groups[place]!.push(i);
  }
  return groups;
}

function bytesOf(texts: readonly string[], asArray: boolean): Uint8Array {
  return asArray ? arrayOf(texts) : Buffer.from(texts[0]!);
}

/** Arrays are put together here: to join texts and to encode them then takes three times as long. */
const SCRATCH = Buffer.allocUnsafe(2 ** 22);

function arrayOf(texts: readonly string[]): Uint8Array {
  const most = texts.reduce((size, { length }) => size + 3 * length + BETWEEN.length, OPEN.length);
  const bytes = most <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(most);
  let end = 0;
  for (const text of texts) {
    end += bytes.write(end === 0 ? "[" : BETWEEN, end);
    end += bytes.write(text, end);
  }
  end += bytes.write("]", end);
  return Buffer.from(bytes.subarray(0, end));
}

/** In JSON a line break is mere white space. */
function onOneLine(text: string): string {
  return text.includes("\n") ? text.replaceAll("\n", " ") : text;
}

/** A request in pieces of at most `size` events. */
export function piecesOf(content: Content, size: number): Content[] {
  return divide(content, (_, i) => String(Math.floor(i / size)));
}

/** A request in parts: one without the accounts that wait, and one for each of those. */
export function withoutParked(content: Content, isParked: (account: string) => boolean): Content[] {
  return divide(content, (account) => isParked(account) ? `parked ${account}` : "free");
}

/** In the order in which the groups come first. */
function divide(content: Content, groupOf: (account: string, index: number) => string): Content[] {
  const texts = textsOf(content);
  const { keys } = content;
  const groups = Map.groupBy(keys.keys(), (i) => groupOf(accountOfKey(keys[i]!), i));
  return [...groups.values()].map((all) => {
    const own = all.map((i) => keys[i]!);
    return { body: bytesOf(all.map((i) => texts[i]!), true), keys: own, accounts: accountsOf(own) };
  });
}
