/**
 * What was handed on lately, by key, so that copies are recognised.
 *
 * @module
 */

/** How far a {@link KeyWindow} reaches back. */
export interface KeyWindowOptions {
  /** The most keys. */
  readonly most: number;
  /** How much event time, in microseconds. */
  readonly spanUs: number;
}

/** A chapter of fewer keys goes on, if the next ones are of about the same time (microseconds). */
const SMALL_CHAPTER = 256, SAME_TIME_US = 1e6;

/** Keys that were handed on at about the same time. */
export interface Chapter {
  /** In order. */
  readonly keys: readonly string[];
  /** How many keys this window had taken before them. */
  readonly before: number;
  /** The event time that the hosts of these keys had reached with them, in microseconds. */
  readonly until: number;
}

interface OpenChapter extends Chapter {
  readonly keys: string[];
  until: number;
}

/**
 * The keys of the newest events of several hosts. They are kept whole: a hash that is safe from being forged costs more than
 * the memory (with two hosts 0.8 us a look-up and 150 MB for 500,000 keys).
 */
export class KeyWindow {
  /** Every event that is newer (microseconds) is known by its key, if it was handed on at all. */
  since = -Infinity;
  /** Keys taken so far. */
  taken = 0;
  readonly #options: KeyWindowOptions;
  readonly #keys = new Set<string>();
  #chapters: OpenChapter[] = [];
  #head = 0;
  /** Of no chapter yet. */
  #loose: string[] = [];

  constructor(options: KeyWindowOptions) {
    this.#options = options;
  }

  /** How many keys are known. */
  get size(): number {
    return this.#keys.size;
  }

  /** Takes a key; answers whether it was new. */
  take(key: string): boolean {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    this.#loose.push(key);
    this.taken++;
    return true;
  }

  /** All keys since the last call belong to events up to this time (microseconds). */
  date(until: number): void {
    if (this.#loose.length === 0) return;
    const last = this.#chapters.length > this.#head ? this.#chapters[this.#chapters.length - 1] : undefined;
    if (last && last.keys.length < SMALL_CHAPTER && Math.abs(until - last.until) < SAME_TIME_US) {
      last.keys.push(...this.#loose);
      last.until = Math.max(last.until, until);
    } else this.#chapters.push({ keys: this.#loose, before: this.taken - this.#loose.length, until });
    this.#loose = [];
  }

  /** Forgets the oldest chapters: those that are too much, and those that end more than the span before `time`. */
  forget(time: number): void {
    const { most, spanUs } = this.#options;
    for (let c; (c = this.#chapters[this.#head]); this.#head++) {
      if (this.#keys.size <= most && c.until >= time - spanUs) break;
      for (const key of c.keys) this.#keys.delete(key);
      this.since = Math.max(this.since, c.until);
    }
    if (this.#head > 1024) {
      this.#chapters = this.#chapters.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Whether `ahead` is more than half a window ahead of `behind` (event times, microseconds). */
  isFar(ahead: number, behind: number): boolean {
    if (ahead <= behind) return false;
    const { spanUs, most } = this.#options;
    if (ahead - behind > spanUs / 2) return true;
    if (this.#keys.size <= most / 2) return false;
    let keys = 0;
    for (let i = this.#chapters.length - 1; i >= this.#head && keys <= most / 2; i--) {
      const chapter = this.#chapters[i]!;
      if (chapter.until > behind) keys += chapter.keys.length;
    }
    return keys > most / 2;
  }

  /** The chapters that are known, the oldest first. */
  chapters(): readonly Chapter[] {
    return this.#chapters.slice(this.#head);
  }
}
