import assert from "node:assert/strict";
import { TransientError } from "../lib/pipeline/errors.ts";
import { KilledError, listenForSignals, type SignalSystem, type StopSignal } from "./signals.ts";

/** A system whose signals the test sends. */
function fakeSystem() {
  const handlers = new Map<StopSignal, () => void>();
  const died: StopSignal[] = [];
  const exited = Promise.withResolvers<readonly [status: number, why: string]>();
  const system: SignalSystem = {
    addSignalListener: (signal, handler) => void handlers.set(signal, handler),
    removeSignalListener: (signal) => void handlers.delete(signal),
    die: (signal) => void died.push(signal),
    exit: (status, why) => exited.resolve([status, why]),
  };
  return { system, handlers, died, exited: exited.promise };
}

Deno.test("L7: the first signal stops, the second ends the process by that signal, and drops everything where it lives on", async () => {
  const { system, handlers, died } = fakeSystem();
  using signals = listenForSignals({ shutdownTimeoutMs: 60_000, system });
  assert.equal(signals.received, undefined);
  handlers.get("SIGINT")!();
  assert.equal(signals.received, "SIGINT");
  assert(signals.stop.aborted && !signals.kill.aborted);
  handlers.get("SIGTERM")!();
  assert.deepEqual(died, ["SIGTERM"]);
  assert.equal(handlers.size, 0, "the handlers are gone before the signal is sent again");
  assert(!signals.kill.aborted, "the status is the signal's");
  await new Promise((resolve) => signals.kill.addEventListener("abort", resolve, { once: true }));
  assert(signals.kill.reason instanceof KilledError);
});

Deno.test("a drain that begins for another reason may take as long, and a signal that follows gives it no more time", async () => {
  const { system, handlers } = fakeSystem();
  using signals = listenForSignals({ shutdownTimeoutMs: 5, system });
  signals.limitDrain("--max-time");
  assert(!signals.stop.aborted);
  handlers.get("SIGTERM")!();
  await new Promise((resolve) => signals.kill.addEventListener("abort", resolve, { once: true }));
  assert.match(signals.kill.reason.message, /not done 0\.005 s after --max-time/);
});

Deno.test("a drain that takes too long is ended with an error", async () => {
  const { system, handlers } = fakeSystem();
  using signals = listenForSignals({ shutdownTimeoutMs: 5, system });
  handlers.get("SIGHUP")!();
  await new Promise((resolve) => signals.kill.addEventListener("abort", resolve, { once: true }));
  assert(signals.kill.reason instanceof TransientError);
  assert.match(signals.kill.reason.message, /not done 0\.005 s after SIGHUP/);
});

Deno.test("a process that does not end even then is ended, with status 1 and the reason", async () => {
  const { system, handlers, exited } = fakeSystem();
  using signals = listenForSignals({ shutdownTimeoutMs: 5, system });
  handlers.get("SIGTERM")!();
  const [status, why] = await exited;
  assert.equal(status, 1);
  assert.match(why, /not done 0\.005 s after SIGTERM/);
  assert(signals.kill.aborted);
});

Deno.test("ended for another reason it stops as at a first signal, which may still follow; the second one ends the process", async () => {
  const { system, handlers, died } = fakeSystem();
  using signals = listenForSignals({ shutdownTimeoutMs: 5, system });
  signals.end("firehose failed");
  assert(signals.stop.aborted);
  assert.equal(signals.received, undefined);
  const { reason } = signals.stop;
  handlers.get("SIGINT")!();
  assert.deepEqual([signals.received, signals.stop.reason, died], ["SIGINT", reason, []]);
  await new Promise((resolve) => signals.kill.addEventListener("abort", resolve, { once: true }));
  assert.match(signals.kill.reason.message, /not done 0\.005 s after firehose failed/);
  handlers.get("SIGINT")!();
  assert.deepEqual(died, ["SIGINT"]);
});

Deno.test("disposing takes the handlers and the timer away", () => {
  const { system, handlers } = fakeSystem();
  {
    using _signals = listenForSignals({ shutdownTimeoutMs: 60_000, system });
    handlers.get("SIGTERM")!();
    assert.equal(handlers.size, 3);
  }
  assert.equal(handlers.size, 0);
});
