/**
 * Taking the figures of the process that runs a case.
 *
 * @module
 */
import process from "node:process";
import type { Sample } from "./bench.ts";

/** Measures `work`, which answers how many items it handled. */
export async function measure(work: () => number | Promise<number>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const items = await work();
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { items, ms, cpuMs: (user + system) / 1000, peakRss: peakRss() };
}

/** The most memory that this process ever had, in bytes. */
export function peakRss(): number {
  try {
    const [, kibibytes] = /^VmHWM:\s*(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"))!;
    return Number(kibibytes) * 1024;
  } catch {
    // On Linux this one would begin with what the parent had, so it is the second choice.
    return process.resourceUsage().maxRSS * 1024;
  }
}
