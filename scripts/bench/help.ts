/**
 * How long `--help` takes, from starting Deno to its end.
 *
 * @module
 */
import type { Bench, Sample } from "./bench.ts";

const PROGRAM = `${import.meta.dirname}/../../mod.ts`;

async function help(before: readonly string[] = []): Promise<{ readonly ms: number; readonly stderr: string }> {
  const args = ["run", "-A", ...before, PROGRAM, "--help"];
  const started = performance.now();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "piped" })
    .output();
  const ms = performance.now() - started;
  const text = new TextDecoder().decode(stderr);
  if (!success) throw new Error(`Cannot show help: ${text}`);
  return { ms, stderr: text };
}

async function run({ events }: { readonly events: number }): Promise<Sample[]> {
  const { stderr } = await help(["--preload", `${import.meta.dirname}/help_probe.ts`]);
  const peakRss = Number(stderr.trim().split("\n").at(-1));
  const samples: Sample[] = [];
  for (let i = 0; i < events; i++) {
    const { ms } = await help();
    samples.push({ items: 1, ms, peakRss });
  }
  return samples;
}

/** `deno task bench help` */
export const bench: Bench = {
  name: "help",
  brief: "The time and memory of --help; --events: how many times",
  events: 20,
  rounds: 1,
  warmUps: 0,
  timeoutMs: 120_000,
  cases: () => [{
    name: "--help",
    goals: [{ figure: "ms", atMost: 100 }, { figure: "rss", atMost: 60e6 }],
    run,
  }],
};
