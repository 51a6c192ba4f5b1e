/**
 * What the servers of the matrix send: numbers from 1 on, of which some cannot be read and some are filtered.
 *
 * @module
 */
import { type EventLine, loadEventLines } from "../../lib/simulate/server.ts";

/** What becomes of a number where nothing goes wrong. */
export type Fate = "written" | "dead" | "filtered";

/** Every tenth number is dead, every other tenth is filtered; the last of a row of tens is written. */
export const fateOf = (n: number): Fate => n % 10 === 3 ? "dead" : n % 10 === 7 ? "filtered" : "written";

/** The numbers from 1 to `last`, or those of one fate. */
export function numbers(last: number, fate?: Fate): number[] {
  return Array.from({ length: last }, (_, i) => i + 1).filter((n) => fate === undefined || fateOf(n) === fate);
}

/** How many of the first `last` numbers have a fate. */
export const countOf = (last: number, fate: Fate): number => numbers(last, fate).length;

/** The account of everything that `--where` drops. */
const UNWANTED = "did:plc:unwantedunwantedunwanted";

/** The expression that drops them, where events have an account. */
export const WHERE = `event.did != "${UNWANTED}"`;

/** Whose event a number is. */
export const didOf = (n: number): string =>
  fateOf(n) === "filtered" ? UNWANTED : `did:plc:a${String(n).padStart(7, "0")}`;

/** A record key that says the number; sinks are read by it. */
export const rkeyOf = (n: number): string => `number${String(n).padStart(7, "0")}`;

/** The numbers in texts that have such keys, in their order. */
export function numbersIn(texts: Iterable<string>): number[] {
  return [...texts].flatMap((text) => /number(\d{7})/.exec(text)?.[1] ?? []).map(Number);
}

const EPOCH_MS = Date.UTC(2026, 6, 4);

/** RFC 3339 of a number: they are a millisecond apart. */
export const timeOf = (n: number): string => new Date(EPOCH_MS + n).toISOString();

/** What a number is in a repository. */
export function likeOf(n: number): Record<string, unknown> {
  return {
    rev: `3k${String(n).padStart(11, "2")}`,
    operation: "create",
    collection: "app.bsky.feed.like",
    rkey: rkeyOf(n),
    record: {
      $type: "app.bsky.feed.like",
      subject: { uri: "at://did:plc:b/app.bsky.feed.post/3k", cid: "bafyreia" },
      createdAt: timeOf(n),
    },
    cid: "bafyreib",
  };
}

/** Messages of Jetstream's second wire. */
export function jetstreamLines(last: number): EventLine[] {
  return loadEventLines(numbers(last).map(jetstreamLine).join("\n"));
}

/** The message of one number; what is dead has no record. */
export function jetstreamLine(n: number): string {
  const { collection: _, ...rest } = likeOf(n);
  const commit = fateOf(n) === "dead" ? rest : likeOf(n);
  const $type = "network.bsky.jetstream.subscribeEvents#commit";
  return JSON.stringify({
    $type: "message",
    payload: { $type, did: didOf(n), ...commit, seq: n, time: timeOf(n) },
  });
}
