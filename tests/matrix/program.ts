/**
 * The program inside this process: a cell of the matrix costs as long as its fault, not the start of a process. Signals are told to it
 * by the test.
 *
 * @module
 */
import { exitStatus } from "../../cli/exit.ts";
import { parseArguments } from "../../cli/kit/arguments.ts";
import type { Action } from "../../cli/kit/command.ts";
import { examples, registry } from "../../cli/registry.ts";
import { globalOptions } from "../../cli/options/global.ts";
import { mergeOptions, prepare, report, type Session } from "../../cli/session.ts";
import { listenForSignals, type StopSignal } from "../../cli/signals.ts";
import { startCli } from "../support/child.ts";
import { cliEnv } from "../support/cli.ts";
import { type Ended, ended } from "../support/program.ts";

/** A run inside this process. It is stopped, and waited for, at the end of the block. */
export interface Running extends AsyncDisposable {
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Whether it has ended. */
  readonly over: boolean;
  readonly ended: Promise<Ended>;
  /** Stops it as SIGTERM does; the second time it drops everything. */
  stop(): void;
}

/** A run in a process of its own. */
export interface Process extends Running {
  kill(signal: Deno.Signal): void;
}

type Environment = Readonly<Record<string, string>>;

/** Starts the program in a process of its own. */
export function startProcess(args: readonly string[], folder: string, env: Environment = {}): Process {
  const child = startCli(args, { cwd: folder, env });
  let over = false;
  const end = ended(child).finally(() => over = true);
  return {
    stdout: child.stdout.lines,
    stderr: child.stderr.lines,
    get over() {
      return over;
    },
    ended: end,
    stop: () => void child.kill(),
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await end;
    },
  };
}

/** Starts the program in this process, in a folder that is its home; paths in `args` must be absolute. */
export function startHere(args: readonly string[], folder: string, more: Environment = {}): Running {
  const stdout: string[] = [], stderr: string[] = [];
  const handlers = new Map<StopSignal, () => void>();
  const signals = listenForSignals({
    shutdownTimeoutMs: 10_000,
    system: {
      addSignalListener: (signal, handler) => void handlers.set(signal, handler),
      removeSignalListener: (signal) => void handlers.delete(signal),
      die: () => {},
      exit: (_, why) => void stderr.push(why),
    },
  });
  const env = cliEnv(folder, { CI: "1", ...more });
  const session: Session = {
    program: { registry, examples },
    output: {
      stdout: (text) => Promise.resolve(void stdout.push(text)),
      stderr: (text) => void stderr.push(...text.split("\n")),
      status: () => {},
    },
    env: (name) => env[name],
    began: performance.now(), // cells run one after another for minutes: `--max-time` is each one's own
    path: [args[0]!],
  };
  let over = false;
  const ended = (async () => {
    using _signals = signals;
    const code = await runAction(session, args, signals);
    over = true;
    return { code, stdout, stderr };
  })();
  const running: Running = {
    stdout,
    stderr,
    get over() {
      return over;
    },
    ended,
    stop: () => handlers.get("SIGTERM")?.(),
    async [Symbol.asyncDispose]() {
      running.stop();
      await ended;
    },
  };
  return running;
}

async function runAction(
  session: Session,
  [name, ...args]: readonly string[],
  signals: ReturnType<typeof listenForSignals>,
): Promise<number> {
  try {
    const entry = registry.find((each) => each.name === name)!;
    const action = await entry.load() as Action;
    const parsed = parseArguments(args, mergeOptions(globalOptions, action.options));
    const { context, faults } = await prepare(session, { path: [entry.name], brief: entry.brief, action }, parsed);
    if (faults.length > 0) throw new Error(`Cannot run a cell: ${faults.join("; ")}`);
    return await action.run({ ...context, inPlace: { signals, ops: undefined } });
  } catch (error) {
    report(session, error);
    return exitStatus(error);
  }
}
