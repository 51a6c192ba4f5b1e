/**
 * Stopping by signal: the first one drains, the second one ends the process at once.
 *
 * @module
 */
import { EXIT } from "./exit.ts";
import { TransientError } from "../lib/pipeline/errors.ts";

/** The signals that stop a run. */
const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A signal that stops a run. */
export type StopSignal = typeof STOPPING[number];

/** What {@linkcode listenForSignals} needs from the system; tests give their own. */
export interface SignalSystem {
  addSignalListener(signal: StopSignal, handler: () => void): void;
  removeSignalListener(signal: StopSignal, handler: () => void): void;
  /** Ends this process as the signal does where nobody listens. */
  die(signal: StopSignal): void;
  /** Ends this process at once with a status, and says why. */
  exit(status: number, why: string): void;
}

/** Options of {@linkcode listenForSignals}. */
export interface SignalsOptions {
  /** How long after the first signal, or `limitDrain`, `kill` aborts, in milliseconds. */
  readonly shutdownTimeoutMs: number;
  readonly system?: SignalSystem;
}

/** The state of stopping. Disposing of it stops listening. */
export interface Signals extends Disposable {
  /** Aborts at the first signal, or by `end`: read no more, finish what was read. */
  readonly stop: AbortSignal;
  /** Aborts at the second signal, or when finishing takes too long: drop everything. Its reason is what to throw. */
  readonly kill: AbortSignal;
  /** The first signal, if there was one. */
  readonly received: StopSignal | undefined;
  /** Finishing begins for another reason, and may take as long as after a signal. `what` follows "not done 25 s after". */
  limitDrain(what: string): void;
  /** Stops as a first signal does, for another reason. */
  end(what: string): void;
}

const denoSystem: SignalSystem = {
  addSignalListener: (signal, handler) => Deno.addSignalListener(signal, handler),
  removeSignalListener: (signal, handler) => Deno.removeSignalListener(signal, handler),
  die: (signal) => Deno.kill(Deno.pid, signal),
  exit(status, why) {
    console.error(why);
    // deno-lint-ignore bskyingest/no-exit -- a write that never returns (a pipe that nobody reads) keeps a process alive for ever
    Deno.exit(status);
  },
};

/** The second signal came, and the process outlived it. There is nothing to tell: the signal says it all. */
export class KilledError extends Error {
  override readonly name = "KilledError";
}

/** How long after `kill` the process may take to end by itself, in milliseconds. */
const GRACE_MS = 1000;

/** Listens for SIGINT, SIGTERM and SIGHUP. */
export function listenForSignals(options: SignalsOptions): Signals {
  const { shutdownTimeoutMs, system = denoSystem } = options;
  const stop = new AbortController();
  const kill = new AbortController();
  let received: StopSignal | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const limitDrain = (what: string) => {
    timer ??= setTimeout(() => {
      const error = tooSlow(what, shutdownTimeoutMs);
      kill.abort(error);
      timer = setTimeout(() => system.exit(EXIT.failed, error.message), GRACE_MS);
    }, shutdownTimeoutMs);
  };
  const end = (what: string) => {
    if (stop.signal.aborted) return;
    limitDrain(what);
    stop.abort(new DOMException(`Stopped after ${what}`, "AbortError"));
  };
  const first = (signal: StopSignal) => {
    received = signal;
    end(signal);
  };
  const second = (signal: StopSignal) => {
    close();
    system.die(signal);
    // It comes by another thread: until then nothing may end this one with a status of its own.
    timer = setTimeout(() => kill.abort(new KilledError(`${signal} received again`)), GRACE_MS);
  };
  const handlers = STOPPING.map((signal) => {
    const handler = () => received === undefined ? first(signal) : second(signal);
    system.addSignalListener(signal, handler);
    return { signal, handler };
  });
  const close = () => {
    clearTimeout(timer);
    for (const { signal, handler } of handlers.splice(0)) system.removeSignalListener(signal, handler);
  };
  return {
    stop: stop.signal,
    kill: kill.signal,
    get received() {
      return received;
    },
    limitDrain,
    end,
    [Symbol.dispose]: close,
  };
}

function tooSlow(what: string, ms: number): TransientError {
  return new TransientError(`Cannot finish the running writes: not done ${ms / 1000} s after ${what}`);
}
