/**
 * TXT records.
 *
 * @module
 */
import { ConfigError, messageOf, TransientError } from "../pipeline/errors.ts";

/** Options of {@link resolveTxt}. */
export interface ResolveTxtOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whom to ask. Default: whom the system asks. */
  readonly nameServer?: { readonly ipAddr: string; readonly port: number };
}

/**
 * The TXT records of a name, each as one text; none where there is no such name. A name server's failure (SERVFAIL, REFUSED) is
 * answered in the same way: neither `Deno.resolveDns` nor `node:dns` tells it apart on Deno 2.9.6.
 *
 * @throws {ConfigError} where this program must not ask one.
 * @throws {TransientError} when no name server answers in time; the signal's reason when that aborts.
 */
export async function resolveTxt(
  name: string,
  { timeoutMs, signal, nameServer }: ResolveTxtOptions,
): Promise<readonly string[]> {
  signal.throwIfAborted();
  const timeUp = AbortSignal.timeout(timeoutMs);
  try {
    const records = await Deno.resolveDns(name, "TXT", {
      signal: AbortSignal.any([signal, timeUp]),
      ...(nameServer && { nameServer }),
    });
    return records.map((chunks) => chunks.join(""));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotCapable) throw new ConfigError(messageOf(error), { cause: error });
    throw new TransientError(timeUp.aborted ? `No answer within ${timeoutMs / 1000} s` : messageOf(error), {
      cause: error,
    });
  }
}
