/**
 * Events as NDJSON on standard output.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import { ConfigError, messageOf, OutputClosedError } from "../pipeline/errors.ts";
import type { Sink } from "../pipeline/sink.ts";
import { chunksOf } from "./lines.ts";

/** Options of {@link stdoutSink}. */
export interface StdoutSinkOptions {
  /** Takes some of the bytes and answers how many. Default: standard output. */
  readonly write?: (bytes: Uint8Array) => Promise<number>;
}

/**
 * Writes one JSON text a line, in order. Keeps no position. What it wrote is as safe as whoever reads it.
 *
 * @throws {OutputClosedError} from `write` when the reader has gone. @throws {ConfigError} from `write` when nothing can be written
 * for another reason: half a batch may be out, and cannot be taken back to try again.
 */
export function stdoutSink(options: StdoutSinkOptions = {}): Sink<AnyEvent> {
  const { write = (bytes) => Deno.stdout.write(bytes) } = options;
  return {
    name: "stdout",
    async write({ items }, { signal }) {
      signal.throwIfAborted();
      for (const chunk of chunksOf(items)) {
        for (let done = 0; done < chunk.length;) {
          done += await unlessAborted(write(chunk.subarray(done)).catch(outputError), signal);
        }
      }
      return { rejected: [] };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function outputError(error: unknown): never {
  if (error instanceof Deno.errors.BrokenPipe) {
    throw new OutputClosedError("Cannot write to stdout: its reader has closed it", { cause: error });
  }
  throw new ConfigError(`Cannot write to stdout: ${messageOf(error)}`, { cause: error });
}

/** Gives up waiting for a reader that does not read when `signal` aborts. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}
