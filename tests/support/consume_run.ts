/**
 * Runs of `consume`, for tests of the program.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Summary } from "../../cli/report.ts";
import { type Child, startCli } from "./child.ts";
import { ended, parseSummary, summaryOf } from "./program.ts";
import type { RedisServer } from "./redis.ts";

/** What is read. */
export const STREAM = "jetstream_live";
/** Waits for nothing. */
const FAST = ["--block", "50ms", "--batch-timeout", "50ms", "--checkpoint-interval", "50ms"];
/** Soon takes over what a process that is gone had, but not from one that is only slow. */
export const CLAIMING = ["--claim-idle", "3s", "--claim-interval", "200ms"];

/** What `--json` tells of a run of `consume` besides. */
export interface ConsumeSummary extends Summary {
  readonly consume: {
    readonly read: number;
    readonly redelivered: number;
    readonly acknowledged: number;
    readonly dead: number;
    readonly lag: readonly { readonly stream: string; readonly entries: number | null; readonly pending: number }[];
  };
}

/** Starts `consume` with `--json`. */
export const consume = (folder: string, server: RedisServer, ...args: string[]): Child =>
  startCli(["consume", "--redis-url", server.url, "--from-stream", STREAM, ...FAST, "--json", ...args], {
    cwd: folder,
  });

/** Adds so many events to the stream: the first ones, or those behind the last ones; `more`: options of `jetstream`. */
export async function fill(folder: string, server: RedisServer, total: number, ...more: string[]): Promise<void> {
  const args = ["jetstream", "--simulate", "-n", String(total), "--sink", "redis", "--redis-url", server.url];
  assert.equal((await summaryOf(folder, [...args, ...(more.length > 0 ? more : ["-c", "all"])])).written, total);
}

/** Entries that were delivered and not acknowledged, and those that were not delivered; -1 while there is no group. */
export async function left(server: RedisServer): Promise<number> {
  const [own]: unknown[][] = await server.command("XINFO", "GROUPS", STREAM);
  const of = (name: string) => Number(own![own!.indexOf(name) + 1]);
  return own ? of("pending") + of("lag") : -1;
}

/** The consumers of the group, and how many entries each has read and not acknowledged; none while there is no group. */
export async function consumersOf(server: RedisServer): Promise<ReadonlyMap<string, number>> {
  const asked: Promise<unknown[][]> = server.command("XINFO", "CONSUMERS", STREAM, "bskyingest");
  const consumers = await asked.catch((error: Error) => {
    if (/NOGROUP|no such key/.test(error.message)) return [];
    throw error;
  });
  return new Map(consumers.map((each) => {
    const of = (name: string) => each[each.indexOf(name) + 1];
    return [String(of("name")), Number(of("pending"))];
  }));
}

/** kill -9 while it has entries that it has not acknowledged; `name`: its own in the group. */
export async function killHolding(child: Child, name: string, server: RedisServer): Promise<void> {
  const deadline = Date.now() + 60_000;
  const held = async () => (await consumersOf(server)).get(name) ?? 0;
  for (;;) {
    child.kill("SIGSTOP");
    // What it had sent before may arrive between the two.
    if (await held() > 0 && await held() > 0) break;
    child.kill("SIGCONT");
    assert(Date.now() < deadline, `${name} was a minute without entries`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill("SIGKILL");
  await child.status;
}

/** Ends a run by SIGTERM: what it says at the end. */
export async function stopped(child: Child): Promise<ConsumeSummary> {
  child.kill();
  return parseSummary(await ended(child)) as ConsumeSummary;
}
