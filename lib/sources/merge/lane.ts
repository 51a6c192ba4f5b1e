/**
 * One host of several that are read side by side.
 *
 * @module
 */
import type { Batch, Gap } from "../../pipeline/batch.ts";

/** A host, and how to read it. */
export interface Lane<T> {
  readonly host: string;
  /** Under which its position is kept. */
  readonly key: string;
  /** The event time that its position has reached, in microseconds; undefined: it begins live. */
  readonly reached: number | undefined;
  /**
   * Opens it at its own position, which its later cursors follow, or at another event time (microseconds), because it cannot
   * be told what was handed on before that.
   */
  open(stop: AbortSignal, from?: number): ReadableStream<Batch<T>>;
}

/** A lane that was opened: at most one batch is read ahead. */
export class LaneReader<T> {
  readonly lane: Lane<T>;
  /** The event time that was reached with the last batch, in microseconds. */
  reached: number | undefined;
  /** Read, and not taken yet. */
  batch: Batch<T> | undefined;
  /** Why it ended; without it, it came to its end. */
  failure: unknown;
  ended = false;
  /** Waits for the next batch. */
  gap: Gap | undefined;
  readonly #onNews: () => void;
  readonly #patienceMs: number;
  #reader: ReadableStreamDefaultReader<Batch<T>> | undefined;
  #askedAt: number | undefined;

  /**
   * @param patienceMs How long others wait for an answer.
   * @param onNews Called when there is a batch, or the lane has ended.
   */
  constructor(lane: Lane<T>, patienceMs: number, onNews: () => void) {
    this.lane = lane;
    this.reached = lane.reached;
    this.#patienceMs = patienceMs;
    this.#onNews = onNews;
  }

  /** Opens the lane, anew if it was open. */
  async open(stop: AbortSignal, from?: number): Promise<void> {
    await this.close();
    if (from !== undefined) this.reached = from;
    this.#reader = this.lane.open(stop, from).getReader();
  }

  /** Reads on, unless that is under way already. */
  ask(): void {
    if (this.ended || this.batch || this.#askedAt !== undefined) return;
    this.#askedAt = performance.now();
    void this.#read(this.#reader!);
  }

  /** Hands the batch over. */
  take(): Batch<T> | undefined {
    const { batch } = this;
    this.batch = undefined;
    return batch;
  }

  /** Whether it has something to say, or may soon have: others wait for it then. */
  get active(): boolean {
    if (this.ended) return false;
    return this.#askedAt === undefined || performance.now() - this.#askedAt < this.#patienceMs;
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#askedAt = undefined;
    await reader?.cancel().catch(() => {}); // it rejects where the lane has failed, and that is known
  }

  async #read(reader: ReadableStreamDefaultReader<Batch<T>>): Promise<void> {
    const answer = await reader.read().catch((error: unknown) => ({ error }));
    if (reader !== this.#reader) return; // closed meanwhile
    this.#askedAt = undefined;
    if ("error" in answer) this.failure = answer.error;
    if ("error" in answer || answer.done) this.ended = true;
    else this.batch = answer.value;
    this.#onNews();
  }
}
