/**
 * A sink that tells how its writes went.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import { messageOf, PoisonError } from "../pipeline/errors.ts";
import type { Sink } from "../pipeline/sink.ts";

/** What became of a write: `refused`: a part of it. */
export type WriteEnd = "ok" | "refused" | "failed";

/** What is known of a sink. Times are milliseconds since 1970. */
export class SinkWatch {
  /** Writes that are running. */
  running = 0;
  /** When a write last ended well. */
  lastSuccessAt: number | undefined;
  /** Why the last write that failed did. */
  lastError: string | undefined;
  /** Whether the last write failed. */
  failing = false;
  /** Writes by how they ended. */
  readonly writes: Record<WriteEnd, number> = { ok: 0, refused: 0, failed: 0 };
  readonly #onWrite: (seconds: number) => void;

  /** @param onWrite Told how long each write took. */
  constructor(onWrite: (seconds: number) => void) {
    this.#onWrite = onWrite;
  }

  /** The same sink, watched. */
  watch<S extends Sink<AnyEvent>>(sink: S): S {
    const write: S["write"] = async (batch, options) => {
      const begun = performance.now();
      this.running++;
      try {
        const result = await sink.write(batch, options);
        this.#ended(result.rejected.map(({ error }) => error));
        return result;
      } catch (error) {
        // What is given up because the run ends says nothing of the sink.
        if (!options.signal.aborted) this.#failed(error);
        throw error;
      } finally {
        this.running--;
        this.#onWrite((performance.now() - begun) / 1000);
      }
    };
    // Everything else stays what it is, methods with their sink: positions are told apart by identity.
    return new Proxy(sink, {
      get(_, name) {
        if (name === "write") return write;
        const value = Reflect.get(sink, name);
        return typeof value === "function" ? value.bind(sink) : value;
      },
    });
  }

  #ended(errors: readonly unknown[]): void {
    const transient = errors.find((error) => !(error instanceof PoisonError));
    if (errors.length > 0) this.writes.refused++;
    else this.writes.ok++;
    if (errors.length > 0) this.lastError = messageOf(transient ?? errors[0]);
    this.failing = transient !== undefined;
    if (!this.failing) this.lastSuccessAt = Date.now();
  }

  #failed(error: unknown): void {
    this.writes.failed++;
    this.lastError = messageOf(error);
    this.failing = true;
  }
}
