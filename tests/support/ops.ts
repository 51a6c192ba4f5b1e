/**
 * Operations servers for tests: one in this process, and that of a run of the program.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Ops, type OpsOptions, startOps } from "../../lib/ops/ops.ts";
import { recentErrors } from "../../lib/ops/recent_errors.ts";
import type { RunDescription, RunWatch } from "../../lib/ops/run_watch.ts";
import { type Counters, createCounters } from "../../lib/pipeline/counters.ts";
import { type Child, startCli } from "./child.ts";

/** A token that is long enough. */
export const TOKEN = "a token of the tests";

/** The header that carries it. */
export const BEARER = { authorization: `Bearer ${TOKEN}` };

/** A server in this process that looks on at a run which does nothing. */
export interface TestOps extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly counters: Counters;
  readonly run: RunWatch;
  readonly ops: Ops;
}

/** Starts one; the run has begun. */
export async function testOps(
  options: Partial<OpsOptions> = {},
  about: Partial<RunDescription> = {},
): Promise<TestOps> {
  const ops = await startOps({
    address: { hostname: "127.0.0.1", port: 0 },
    token: undefined,
    hosts: [],
    insecure: false,
    legacyMetrics: false,
    errors: recentErrors(({ message }) => message.join("")),
    folders: [],
    ...options,
  });
  const counters = about.counters ?? createCounters();
  const run = await ops.watch({
    command: "jetstream",
    source: "jetstream.example",
    sink: "null",
    stream: undefined,
    key: "jetstream",
    counters,
    stats: undefined,
    live: true,
    limits: { inFlight: 10_000, batch: 500, writes: 1 },
    startedAt: Date.now(),
    gaps: "/nowhere/gaps.db",
    stateFolder: undefined,
    ...about,
  });
  run.begun();
  const { port } = ops.address;
  return {
    ...{ ops, run, counters, port, url: `http://127.0.0.1:${port}` },
    async [Symbol.asyncDispose]() {
      await run.ended();
      await ops[Symbol.asyncDispose]();
    },
  };
}

/** Asks, and reads the whole answer as text. */
export async function ask(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(url, init);
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

/** Asks for JSON; it must be answered with 200. */
// deno-lint-ignore no-explicit-any -- tests say what they expect in it
export async function askJson(url: string, init: RequestInit = {}): Promise<any> {
  const { status, text } = await ask(url, init);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** A run of the program with an operations server. */
export interface WatchedRun extends AsyncDisposable {
  readonly child: Child;
  readonly url: string;
}

/** Starts one with `--listen 127.0.0.1:0` and, unless `token` is false, {@link TOKEN}. */
export async function startWatched(
  folder: string,
  args: readonly string[],
  { token = true, env = {} }: { readonly token?: boolean; readonly env?: Record<string, string> } = {},
): Promise<WatchedRun> {
  const child = startCli([...args, "--listen", "127.0.0.1:0"], {
    cwd: folder,
    env: { ...token && { BSKYINGEST_LISTEN_TOKEN: TOKEN }, ...env },
  });
  try {
    const line = await child.stderr.waitFor("Operations server on ");
    const url = /http:\/\/[^/]+/.exec(line)![0];
    return { child, url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** Asks every 50 ms until `look` answers true; fails the test after a minute. */
export async function untilIs<T>(get: () => Promise<T>, look: (value: T) => boolean, what: string): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const value = await get();
    if (look(value)) return value;
    assert(Date.now() < end, `Waited a minute for ${what}: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
