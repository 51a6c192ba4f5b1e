/**
 * Child processes that a test watches while they run, and may kill.
 *
 * @module
 */
import { cliArgs, cliEnv } from "./cli.ts";
import { ROOT } from "./paths.ts";

/** How a child is started. */
export interface ChildOptions {
  /** The working directory; for {@link startCli} also its home. */
  readonly cwd: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of {@link startCli}. @default {["-A"]} */
  readonly permissions?: readonly string[];
}

/** What a child has written to stdout or stderr so far, while it goes on. */
export interface Output {
  /** Whole lines, without their line feeds. */
  readonly lines: readonly string[];
  /**
   * The first line, also of those that are there already, which contains or matches `pattern`.
   *
   * @throws {Error} If the stream ends or `timeoutMs` (default 20,000) passes before; shows the last lines.
   */
  waitFor(pattern: string | RegExp, options?: { readonly timeoutMs?: number }): Promise<string>;
}

/** A running child; it is killed at the end of the block: `await using child = startScript(...)`. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Settles when the child has ended and all that it wrote is in `stdout` and `stderr`. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Sends a signal (default SIGTERM); `false` if the child has ended already. */
  kill(signal?: Deno.Signal): boolean;
  /** Sends `signal` (default SIGKILL) at a random moment of the next `ms` milliseconds and waits for the end. `random` as in random.ts. */
  killWithin(ms: number, random: () => number, signal?: Deno.Signal): Promise<Deno.CommandStatus>;
  /** The most memory that the child has had resident so far, in bytes; `undefined` where there is no /proc. Sampled every 100 ms. */
  peakRssBytes(): number | undefined;
}

/** Starts the command line program with arguments. */
export function startCli(args: readonly string[], options: ChildOptions): Child {
  const command = cliArgs(args, undefined, options.permissions);
  return start(command, { cwd: options.cwd, env: cliEnv(options.cwd, options.env), clearEnv: true });
}

/** Starts a module of the repository as a program, with all permissions. */
export function startScript(module: string, args: readonly string[], options: ChildOptions): Child {
  return start(["run", "-A", "--quiet", "--config", `${ROOT}/deno.json`, `${ROOT}/${module}`, ...args], options);
}

function start(args: string[], options: Deno.CommandOptions): Child {
  const process = new Deno.Command(Deno.execPath(), {
    ...options,
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [stdout, stderr] = [collect(process.stdout, "stdout"), collect(process.stderr, "stderr")];
  const memory = sampleMemory(process.pid);
  const status = Promise.all([process.status, stdout.ended, stderr.ended]).then(([end]) => end)
    .finally(memory.stop);
  const child: Child = {
    pid: process.pid,
    stdout,
    stderr,
    status,
    peakRssBytes: memory.peak,
    kill(signal = "SIGTERM") {
      try {
        process.kill(signal);
        return true;
      } catch (error) {
        if (error instanceof TypeError || error instanceof Deno.errors.NotFound) return false; // it has ended
        throw error;
      }
    },
    async killWithin(ms, random, signal = "SIGKILL") {
      const timer = setTimeout(() => child.kill(signal), random() * ms);
      return await status.finally(() => clearTimeout(timer));
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await status;
    },
  };
  return child;
}

interface Waiter {
  readonly matches: (line: string) => boolean;
  readonly resolve: (line: string) => void;
  readonly fail: (why: string) => void;
}

/** Reads a stream to its end, line by line. */
function collect(stream: ReadableStream<Uint8Array>, name: string): Output & { readonly ended: Promise<void> } {
  const lines: string[] = [];
  const waiters = new Set<Waiter>();
  let open = true;
  const add = (line: string): void => {
    lines.push(line);
    waiters.forEach((waiter) => waiter.matches(line) && waiter.resolve(line));
  };
  const ended = (async () => {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      parts.forEach(add);
    }
    if (rest !== "") add(rest);
    open = false;
    waiters.forEach((waiter) => waiter.fail("it has ended"));
  })();
  return {
    lines,
    ended,
    waitFor(pattern, { timeoutMs = 20_000 } = {}) {
      const matches = (line: string) => typeof pattern === "string" ? line.includes(pattern) : pattern.test(line);
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const fail = (why: string): void =>
        reject(new Error(`Cannot find ${pattern} in ${name}: ${why} after ${JSON.stringify(lines.slice(-10))}`));
      const found = lines.find(matches);
      if (found !== undefined) resolve(found);
      else if (!open) fail("it has ended");
      const waiter = { matches, resolve, fail };
      waiters.add(waiter);
      const timer = setTimeout(() => fail(`${timeoutMs} ms have passed`), timeoutMs);
      return promise.finally(() => {
        clearTimeout(timer);
        waiters.delete(waiter);
      });
    },
  };
}

/** Follows a process's highest memory, which /proc forgets as soon as the process ends. */
function sampleMemory(pid: number): { readonly peak: () => number | undefined; readonly stop: () => void } {
  let last: number | undefined;
  const peak = (): number | undefined => {
    last = peakOf(pid) ?? last;
    return last;
  };
  peak();
  const timer = setInterval(peak, 100);
  return { peak, stop: () => clearInterval(timer) };
}

/** Whether a process has a file open; always, where there is no /proc to tell. */
export function hasOpen(pid: number, path: string): boolean {
  if (Deno.build.os !== "linux") return true;
  const whole = Deno.realPathSync(path);
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].some(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === whole;
    } catch {
      return false; // closed meanwhile
    }
  });
}

function peakOf(pid: number): number | undefined {
  try {
    const kb = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    return kb === undefined ? undefined : Number(kb) * 1024;
  } catch {
    return undefined;
  }
}
