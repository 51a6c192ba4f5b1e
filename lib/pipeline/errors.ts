/**
 * The error classes that decide what a failure leads to.
 *
 * @module
 */

/** The user must change something: an option, a file, a credential. One line and a hint, no stack; exit status 2. */
export class ConfigError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "ConfigError";
  /** Every fault found, the first one is also the message. */
  readonly faults: readonly string[];
  /** What the user can do about it, if that is not clear from the message. */
  readonly hint: string | undefined;

  /** Makes one from one fault, or from all that were found. */
  constructor(
    message: string | readonly [string, ...string[]],
    options: ErrorOptions & { readonly hint?: string | undefined } = {},
  ) {
    const faults = typeof message === "string" ? [message] : message;
    super(faults[0], options);
    this.faults = faults;
    this.hint = options.hint;
  }
}

/** May succeed when tried again (429, 5xx, reset, timeout, a full disk). */
export class TransientError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "TransientError";
  /** The least time to wait before the next attempt, in milliseconds, as a server asked for. */
  readonly retryAfterMs: number | undefined;

  /** Makes one; `retryAfterMs` is what the server asked for. */
  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** This one item can never succeed: it goes to the dead letter, and the run goes on. */
export class PoisonError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "PoisonError";
  /** A short code for grouping, such as `not_json` or `status_400`. */
  readonly reason: string;
  /** What the dead letter says besides, as `Poison.detail` does: `status`, `doc_id`, ... */
  readonly detail: Readonly<Record<string, unknown>> | undefined;

  /** Makes one from its code and its sentence. */
  constructor(
    reason: string,
    message: string,
    options: ErrorOptions & { readonly detail?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.detail = options.detail;
  }
}

/** The run cannot go on, for a reason that its message says and no option causes; exit status 1, no stack. */
export class FatalError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "FatalError";
}

/** Another process holds the lock on the same state; exit status 75. */
export class LockHeldError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "LockHeldError";
}

/** The sink has lost events that it had confirmed, and its saved position with them: the run is to begin again from there. */
export class RewoundError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "RewoundError";
}

/** The upstream skipped events and the user asked to stop then (`--on-gap fail`). */
export class GapError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "GapError";
}

/** More items were refused than `maxDeadRatio` allows. */
export class DeadRatioError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "DeadRatioError";
}

/** Whoever read our output has closed it (`| head -1`): stop cleanly, the position stays before what was not taken. */
export class OutputClosedError extends Error {
  /** Tells the class where `instanceof` cannot. */
  override readonly name = "OutputClosedError";
}

/** The text of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  // What Deno says of a missing permission, where Node's modules make a failure of the resolver of it.
  return text.replaceAll(/\s*[\r\n]+\s*/g, " ")
    .replace(/^getaddrinfo EPERM (\S+)$/, 'Requires net access to "$1", run again with the --allow-net flag');
}
