/**
 * Saving positions for sinks that do not do it themselves.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Cursor } from "./batch.ts";
import { FatalError, messageOf } from "./errors.ts";
import type { CheckpointStore } from "./sink.ts";

const log = getLogger(["bskyingest", "checkpoint"]);

/** Saves that may fail in a row before the run does. */
const MAX_FAILURES = 5;

/** How a {@link Checkpointer} works. */
export interface CheckpointerOptions {
  readonly store: CheckpointStore;
  /** The least time between two saves, in milliseconds. */
  readonly intervalMs: number;
  /** Told when a position is durable. */
  readonly onSaved: (key: string, cursor: Cursor) => void;
  /** Told when the store has failed too often: a run must not go on without positions. */
  readonly onFailure: (error: unknown) => void;
}

/** Saves positions at most every so often, one save at a time, forward only. */
export class Checkpointer {
  readonly #latest = new Map<string, { readonly cursor: Cursor; readonly end: boolean }>();
  readonly #options: CheckpointerOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> | undefined;
  #failures = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
  }

  /** Notes a position to be saved soon. */
  advance(key: string, cursor: Cursor, end: boolean): void {
    this.#latest.set(key, { cursor, end });
    this.#schedule();
  }

  /**
   * The last save; throws when it fails.
   *
   * @param save False: there is none, for what was noted is not true any more.
   */
  async close(save = true): Promise<void> {
    clearTimeout(this.#timer);
    await this.#saving;
    clearTimeout(this.#timer);
    if (save) await this.#save();
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#saving = this.#try();
    }, this.#options.intervalMs);
  }

  async #try(): Promise<void> {
    try {
      await this.#save();
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      log.warn("Cannot save the position, attempt {failures} of {most}: {error}", {
        failures: this.#failures,
        most: MAX_FAILURES,
        error: messageOf(error),
      });
    }
    this.#timer = undefined;
    if (this.#failures >= MAX_FAILURES) {
      return this.#options.onFailure(new FatalError("Cannot go on: positions cannot be saved"));
    }
    if (this.#latest.size > 0) this.#schedule();
  }

  async #save(): Promise<void> {
    for (const [key, position] of [...this.#latest]) {
      await this.#options.store.save(key, position.cursor, position.end);
      this.#options.onSaved(key, position.cursor);
      if (this.#latest.get(key) === position) this.#latest.delete(key);
    }
  }
}
