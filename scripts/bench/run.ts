/**
 * Running a benchmark: each case in a process of its own, one sample after the other, A B C A B C.
 *
 * @module
 */
import type { Bench, BenchOptions, Case, Sample, Setting } from "./bench.ts";
import { drainRate, type LoadServer, startLoad } from "./load.ts";
import { type Row, rowOf, whole } from "./rows.ts";

/** What a benchmark gave. */
export interface Report {
  readonly bench: string;
  /** What is to be known besides: the load server's figures, and whether the machine had other work. */
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
  /** Cases that broke, and why. */
  readonly broken: readonly { readonly case: string; readonly error: string }[];
}

/** Runs all cases; `say` is told what goes on. */
export async function runBench(bench: Bench, options: BenchOptions, say: (text: string) => void): Promise<Report> {
  const events = options.events ?? bench.events;
  const folder = await Deno.makeTempDir({ prefix: "bskyingest-bench-" });
  try {
    await using server = bench.load && await startLoad(bench.load(events));
    await using targets = await bench.servers?.();
    const busy = `when it began, the machine's load average was ${Deno.loadavg()[0]!.toFixed(1)}`;
    const notes = [...server ? [await describeLoad(server)] : [], ...targets?.notes ?? [], busy];
    const results = new Results(bench.cases(options));
    const rounds = options.rounds ?? bench.rounds;
    for (let round = 1 - bench.warmUps; round <= rounds; round++) {
      for (const each of results.sound()) {
        say(`${bench.name}: ${each.name}, ${round < 1 ? "warm-up" : `round ${round} of ${rounds}`}`);
        const setting = { events, folder, load: server?.load, servers: targets?.urls };
        try {
          const samples = await runCase(bench, each, options, setting);
          if (round >= 1) results.add(each, samples);
        } catch (error) {
          results.break(each, error instanceof Error ? error.message : String(error));
        }
      }
    }
    return { bench: bench.name, notes, ...results.finish() };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function describeLoad({ load }: LoadServer): Promise<string> {
  await drainRate(load); // the first time, the server warms up
  const rate = await drainRate(load);
  const size = (load.bytes / load.events).toFixed(0);
  return `load: ${whole(load.events)} distinct events in another process, ${size} B on average; it could send ${
    whole(rate)
  }/s`;
}

/** Runs one case in a child; rejects when that fails or takes too long. */
async function runCase(bench: Bench, { name }: Case, options: BenchOptions, setting: Setting): Promise<Sample[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${import.meta.dirname}/child.ts`,
      bench.name,
      name,
      JSON.stringify(options),
      JSON.stringify(setting),
    ],
    signal: AbortSignal.timeout(bench.timeoutMs),
  });
  const { success, stdout, stderr, signal } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(text(stderr) || `it was ended by ${signal} after ${bench.timeoutMs} ms`);
  return JSON.parse(text(stdout));
}

/** The samples of all cases. */
class Results {
  readonly #cases: readonly Case[];
  readonly #samples = new Map<string, Sample[]>();
  readonly #broken = new Map<string, string>();

  constructor(cases: readonly Case[]) {
    this.#cases = cases;
  }

  /** The cases that have not broken. */
  sound(): readonly Case[] {
    return this.#cases.filter(({ name }) => !this.#broken.has(name));
  }

  add({ name }: Case, samples: readonly Sample[]): void {
    this.#samples.set(name, [...this.#samples.get(name) ?? [], ...samples]);
  }

  break({ name }: Case, error: string): void {
    this.#broken.set(name, error);
  }

  finish(): Pick<Report, "rows" | "broken"> {
    const of = (name: string | undefined) =>
      name === undefined || this.#broken.has(name) ? undefined : this.#samples.get(name);
    return {
      rows: this.sound().map((each) => rowOf(each, of(each.name)!, of(each.reference))),
      broken: [...this.#broken].map(([name, error]) => ({ case: name, error })),
    };
  }
}
