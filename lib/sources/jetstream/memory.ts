/**
 * What was handed on lately, so that it is recognised when a server sends it again.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type AtEvent, dedupeKey } from "../../atproto/event.ts";
import type { Cursor } from "../../pipeline/batch.ts";

/** Events that are remembered at most; twelve seconds of the network at four times its usual peak. */
export const MOST_REMEMBERED = 50_000;

/** 48 bits of the hash of an event's dedupe key, as 8 base64url characters. */
export function shortHash(event: AtEvent): string {
  return hashOfKey(dedupeKey(event));
}

/** The same of a dedupe key. */
export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest().subarray(0, 6).toString("base64url");
}

/**
 * An event as {@link dedupeKey} needs it. Whole ones, with records and texts, would be thousands of objects that the garbage
 * collector moves around instead of dropping them: measured, that cost as much as parsing.
 */
function essence(event: AtEvent): AtEvent {
  if (event.kind !== "commit" || event.commit.rev === undefined) return event;
  const { did, time_us, kind, origin, commit: { rev, operation, collection, rkey } } = event;
  return { did, time_us, kind, origin, commit: { rev, operation, collection, rkey } };
}

/** Some events in the order in which they were handed on. */
interface Chapter {
  /** Of a saved position: only hashes are left of its events. */
  readonly hashes?: readonly string[];
  readonly events: readonly AtEvent[];
  /** Of `events`, once somebody asked: a position is saved each second, and most of its hashes are those of the last one. */
  hashed?: readonly string[];
  /** The newest event time of this chapter and all before it, in microseconds. */
  readonly until: number;
  readonly cursor: Cursor | undefined;
  /** Positions within this chapter, and how many of `events` each has before it. */
  readonly cuts: Map<Cursor, number>;
}

/** What makes the events of whole batches themselves: nothing is hashed or put together until somebody asks. */
export class Memory {
  #chapters: Chapter[] = [];
  readonly #chapterOf = new WeakMap<readonly AtEvent[], Chapter>();
  #count = 0;
  /** Every event handed on that is newer than this (microseconds) is remembered: never ask for anything older. */
  since: number;

  constructor(since: number) {
    this.since = since;
  }

  /** Adds what a saved position or a sink remembers. */
  restore(known: { readonly events?: readonly AtEvent[]; readonly hashes?: readonly string[] }, until: number): void {
    const { events = [], hashes } = known;
    this.#push({ events, ...(hashes && { hashes }), until, cursor: undefined, cuts: new Map() });
  }

  /**
   * Adds events.
   *
   * @param until The newest event time so far.
   * @param horizon What is older need not be remembered.
   */
  add(events: readonly AtEvent[], until: number, horizon: number, cursor: Cursor | undefined): void {
    const chapter: Chapter = { events: events.map(essence), until, cursor, cuts: new Map() };
    this.#chapterOf.set(events, chapter);
    this.#push(chapter);
    let drop = 0;
    for (let c; this.#chapters.length - drop > 1 && (c = this.#chapters[drop]); drop++) {
      if (c.until >= horizon && this.#count <= MOST_REMEMBERED) break;
      this.#count -= size(c);
      this.since = Math.max(this.since, c.until);
    }
    if (drop > 0) this.#chapters.splice(0, drop);
  }

  /** Notes that a batch was cut behind its `count`-th event, and which position that is. */
  noteCut(events: readonly AtEvent[], count: number, cursor: Cursor): void {
    this.#chapterOf.get(events)?.cuts.set(cursor, count);
  }

  /** A test for events that were handed on before. */
  recognizer(): (event: AtEvent) => boolean {
    const keys = new Set(this.#chapters.flatMap((c) => c.events.map(dedupeKey)));
    const hashes = new Set(this.#chapters.flatMap((c) => c.hashes ?? []));
    return (event) => keys.has(dedupeKey(event)) || (hashes.size > 0 && hashes.has(shortHash(event)));
  }

  /** Hashes of what was handed on up to a position, the oldest first. */
  hashesUpTo(cursor: Cursor): string[] {
    const last = this.#chapters.findLastIndex((c) => c.cursor === cursor || c.cuts.has(cursor));
    return this.#chapters.slice(0, last + 1).flatMap((c, i) => {
      c.hashed ??= c.events.map(shortHash);
      const count = i === last && c.cursor !== cursor ? c.cuts.get(cursor) : undefined;
      return [...c.hashes ?? [], ...c.hashed.slice(0, count)];
    });
  }

  #push(chapter: Chapter): void {
    if (size(chapter) === 0 && chapter.cursor === undefined) return;
    this.#chapters.push(chapter);
    this.#count += size(chapter);
  }
}

function size({ events, hashes }: Chapter): number {
  return events.length + (hashes?.length ?? 0);
}
