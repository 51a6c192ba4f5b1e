/**
 * The positions of hosts that are read side by side: what a run begins with, and what the next one needs to know.
 *
 * @module
 */
import { type AtEvent, dedupeKey } from "../../atproto/event.ts";
import type { Cursor } from "../../pipeline/batch.ts";
import type { OpenOptions } from "../../pipeline/source.ts";
import type { Chapter, KeyWindow } from "../merge/key_window.ts";
import { hashOfKey, MOST_REMEMBERED } from "./memory.ts";
import { formatPosition, parsePosition, type Position } from "./position.ts";

/** Hashes reach back to the host that is furthest behind, but no further than this, in microseconds. */
const HASHED_US = 150e6;

/** What a run begins with. */
export interface Positions {
  /** By key. */
  readonly of: ReadonlyMap<string, Position>;
  /** All that were saved, the common one included. */
  readonly saved: readonly Position[];
}

/**
 * The saved position of each key. A key without one, of a host that was added or never came to save, begins where the newest
 * of the others is. Where the last run read one host at a time, or the user set the position, all begin there.
 *
 * @throws {ConfigError} where one cannot be read.
 */
export async function loadPositions(
  keys: readonly string[],
  { cursor, load }: OpenOptions<AtEvent>,
): Promise<Positions> {
  const common = cursor === undefined ? undefined : parsePosition(cursor);
  if (common && !common.race) return { of: new Map(keys.map((key) => [key, common])), saved: [common] };
  const positions = new Map<string, Position>();
  for (const key of keys) {
    const saved = await load?.(key);
    if (saved !== undefined) positions.set(key, parsePosition(saved));
  }
  const times = [...positions.values()].map(({ time_us }) => time_us);
  const other: Position | undefined = times.length === 0
    ? common
    : { v: 1, host: "", wire: "v1", time_us: Math.max(...times) };
  for (const key of keys) if (other && !positions.has(key)) positions.set(key, other);
  return { of: positions, saved: [...positions.values(), ...common ? [common] : []] };
}

/** What positions remember of the events before them. */
export interface Remembered {
  /** Hashes of dedupe keys. */
  readonly hashes: ReadonlySet<string>;
  /** Every event newer than this (microseconds) and not newer than `until` is among them. */
  readonly since: number;
  readonly until: number;
}

/** What all positions together remember: what one host wrote, another one may send again. */
export function rememberedBy(positions: Iterable<Position>): Remembered {
  const all = [...positions];
  return {
    hashes: new Set(all.flatMap(({ recent = [] }) => recent)),
    since: Math.max(-Infinity, ...all.flatMap(({ recent_since }) => recent_since ?? [])),
    until: Math.max(-Infinity, ...all.map(({ time_us }) => time_us)),
  };
}

/** The dedupe keys of recalled events go into the window, the oldest first. */
export function refill(window: KeyWindow, items: readonly AtEvent[], since: number): void {
  for (const event of items.toSorted((a, b) => a.time_us - b.time_us)) {
    if (window.take(dedupeKey(event))) window.date(event.time_us);
  }
  window.since = since;
}

/** Completes positions with hashes of what was handed on before them. */
export class Sealer {
  readonly #window: KeyWindow;
  readonly #remembered: Remembered;
  readonly #overlapUs: number;
  /** The event time of the last saved position of each key, which a restart goes back to; -Infinity: none yet. */
  readonly #times: Map<string, number>;
  readonly #hashes = new WeakMap<Chapter, string[]>();

  constructor(
    window: KeyWindow,
    remembered: Remembered,
    keys: readonly string[],
    positions: ReadonlyMap<string, Position>,
    overlapUs: number,
  ) {
    this.#window = window;
    this.#remembered = remembered;
    this.#overlapUs = overlapUs;
    this.#times = new Map(keys.map((key) => [key, positions.get(key)?.time_us ?? -Infinity]));
  }

  /** `cursor` was marked with how many events had been handed on. */
  seal(cursor: Cursor, key: string): Cursor {
    const position = parsePosition(cursor);
    this.#times.set(key, position.time_us);
    const slowest = Math.min(...this.#times.values());
    const floor = Math.max(slowest, position.time_us - HASHED_US) - this.#overlapUs - 1e6;
    let since = Math.max(this.#window.since, floor);
    const parts: (readonly string[])[] = [];
    let count = 0, full = false;
    const add = (hashes: readonly string[], until: number) => {
      full ||= count + hashes.length > MOST_REMEMBERED;
      if (full || until < floor) since = Math.max(since, until);
      else {
        parts.unshift(hashes);
        count += hashes.length;
      }
    };
    for (const chapter of this.#window.chapters().toReversed()) {
      if (chapter.before < position.n!) add(this.#hashesOf(chapter, position.n! - chapter.before), chapter.until);
    }
    add([...this.#remembered.hashes], this.#remembered.until);
    return formatPosition({ ...position, recent: parts.flat(), recent_since: since });
  }

  /** Of the first `count` keys of a chapter. */
  #hashesOf(chapter: Chapter, count: number): readonly string[] {
    let hashes = this.#hashes.get(chapter);
    if (!hashes) this.#hashes.set(chapter, hashes = []);
    for (const key of chapter.keys.slice(hashes.length)) hashes.push(hashOfKey(key));
    return hashes.slice(0, count);
  }
}
