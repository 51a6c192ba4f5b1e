/**
 * The operations server: it looks on at the runs of this process, and tells whoever may ask.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import { createAccess } from "./access.ts";
import { authorityOf, isLoopback, type ListenAddress } from "./address.ts";
import { type Moment, snapshotEvents } from "./events.ts";
import { createMetrics } from "./metrics/registry.ts";
import { Chart } from "./rates.ts";
import { reasonsOf } from "./readiness.ts";
import type { RecentErrors } from "./recent_errors.ts";
import { createRouter, type OpsView } from "./routes.ts";
import { type RunDescription, RunWatch } from "./run_watch.ts";
import { startServer } from "./server.ts";
import type { DeadLetterJson, HealthJson } from "./snapshot.ts";
import { combinedStats } from "./stats.ts";
import { combinedStatus } from "./status.ts";

const log = getLogger(["bskyingest", "ops"]);

const LOOK_MS = 1000;
/** An event loop that stood still for so long is told of for as long again. */
const STOOD_STILL_MS = 10_000;
/** Looks between two looks at the free space. */
const SPACE_EVERY = 10;
const MOST_DEAD_LETTERS = 20;

/** How to serve. */
export interface OpsOptions {
  readonly address: ListenAddress;
  /** Undefined: everybody may read, nobody may change. */
  readonly token: string | undefined;
  /** Host names that we answer to besides our own. */
  readonly hosts: readonly string[];
  /** Listen without a token where others reach us. */
  readonly insecure: boolean;
  /** Metrics also under the names of rsky-ingester. */
  readonly legacyMetrics: boolean;
  /** The newest warnings and errors. */
  readonly errors: RecentErrors;
  /** Folders whose free space matters. */
  readonly folders: readonly string[];
}

/** A running operations server. */
export interface Ops extends AsyncDisposable {
  /** Where it listens. */
  readonly address: ListenAddress;
  /** Begins to look on at a run. */
  watch(about: RunDescription): Promise<RunWatch>;
}

/**
 * Starts to serve. Its trouble, later on, never stops a run.
 *
 * @throws {ConfigError} for an address that others reach without a token, and one that cannot be listened on.
 */
export async function startOps(options: OpsOptions): Promise<Ops> {
  const { address, token, insecure } = options;
  if (!isLoopback(address.hostname) && token === undefined && !insecure) {
    throw new ConfigError(`Cannot listen on ${authorityOf(address)} without a token: others can reach it`, {
      hint: "Set --listen-token-file, or allow it with --listen-insecure",
    });
  }
  const runs: RunWatch[] = [];
  const metrics = createMetrics({ runs, legacy: options.legacyMetrics });
  const view = new View(runs, options.errors, metrics.text);
  const hosts = new Set([...ownName(), ...options.hosts].map((name) => name.toLowerCase()));
  const access = createAccess({ token, hosts });
  const route = createRouter(view);
  const begun = Promise.withResolvers<void>();
  const server = await startServer(address, async (request) => {
    await begun.promise; // before there is a run there is nothing to tell
    return access(request) ?? route(request);
  });
  log.info("Operations server on http://{authority}/", { authority: authorityOf(server.address) });
  const space = spaceWatch(options.folders);
  let looks = 0;
  const timer = setInterval(() => {
    if (looks++ % SPACE_EVERY === 0) void space.look().then((free) => runs.forEach((run) => run.free = free));
    view.tick(Date.now());
  }, LOOK_MS);
  return {
    address: server.address,
    async watch(about) {
      const run = await RunWatch.begin(about, (seconds) => metrics.noteWrite(about.sink, seconds));
      runs.push(run);
      begun.resolve();
      return run;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      view.events.close();
      await server[Symbol.asyncDispose]();
      await space.look();
    },
  };
}

/** The machine's name, unless we may not know it. */
function ownName(): string[] {
  try {
    return [hostname()];
  } catch {
    return [];
  }
}

/** What routes show, made of all runs. */
class View implements OpsView {
  readonly events = snapshotEvents(() => this.#moment());
  readonly metrics: OpsView["metrics"];
  readonly #runs: readonly RunWatch[];
  readonly #errors: RecentErrors;
  readonly #chart = new Chart();
  #tickedAt = performance.now();
  #stoodStillAt = -Infinity;

  constructor(runs: readonly RunWatch[], errors: RecentErrors, metrics: OpsView["metrics"]) {
    this.#runs = runs;
    this.#errors = errors;
    this.metrics = metrics;
  }

  /** Takes a look at everything; called every second. */
  tick(now: number): void {
    const tickedAt = performance.now();
    if (tickedAt - this.#tickedAt > STOOD_STILL_MS) this.#stoodStillAt = tickedAt;
    this.#tickedAt = tickedAt;
    const sum = (name: "received" | "written") => this.#runs.reduce((n, { about }) => n + about.counters[name], 0);
    for (const run of this.#runs) run.look(now);
    this.#chart.add({ at: now, received: sum("received"), written: sum("written") });
    if (this.#runs.length > 0 && this.#runs.every(({ phase }) => phase === "draining" || phase === "ended")) {
      this.events.close();
    } else this.events.tick();
  }

  stats() {
    return combinedStats(this.#runs, Date.now(), this.#errors.list);
  }

  status() {
    return combinedStatus(this.#runs, Date.now());
  }

  reasons() {
    const now = Date.now();
    return this.#runs.flatMap((run) => {
      const facts = run.facts(now);
      return facts === undefined ? [] : reasonsOf(facts);
    });
  }

  sick() {
    const failed = this.#runs.find(({ failure }) => failure !== undefined);
    if (failed) return `ending after a failure: ${messageOf(failed.failure)}`;
    const now = performance.now();
    const still = now - this.#tickedAt > STOOD_STILL_MS || now - this.#stoodStillAt < STOOD_STILL_MS;
    return still ? "the event loop stood still" : undefined;
  }

  health(): HealthJson {
    const sick = this.sick();
    const reasons = [...sick === undefined ? [] : [sick], ...this.reasons()];
    const status = sick !== undefined ? "unhealthy" : reasons.length > 0 ? "degraded" : "healthy";
    return { status, worker: "bskyingest", timestamp: new Date().toISOString(), reasons };
  }

  snapshot() {
    const { snapshot, ratesAfter } = this.#moment();
    return { ...snapshot, rates: ratesAfter(0) };
  }

  async reset({ cursor }: { readonly cursor: boolean }): Promise<void> {
    if (cursor) await Promise.all(this.#controls("forget the position").map((control) => control.forgetPosition()));
    for (const run of this.#runs) run.reset();
    this.#errors.clear();
    this.#chart.clear();
  }

  reconnect(options: { readonly next: boolean }): void {
    for (const control of this.#controls("reconnect")) control.reconnect(options);
  }

  /** @throws {ConfigError} where nothing can be told to do that. */
  #controls(what: string) {
    const controls = this.#runs.flatMap(({ control }) => control ? [control] : []);
    if (controls.length === 0) throw new ConfigError(`Cannot ${what}: no connection is kept open`);
    return controls;
  }

  #moment(): Moment {
    const newest = this.#runs.flatMap(({ deadLetters }) => deadLetters.newest);
    return {
      snapshot: {
        stats: this.stats(),
        status: this.status(),
        health: this.health(),
        dead_letters: newest.sort(newestFirst).slice(0, MOST_DEAD_LETTERS),
      },
      ratesAfter: (at) => this.#chart.after(at),
    };
  }
}

function newestFirst(a: DeadLetterJson, b: DeadLetterJson): number {
  return a.at < b.at ? 1 : a.at > b.at ? -1 : 0;
}

/** Looks at free space, one look at a time. */
function spaceWatch(folders: readonly string[]) {
  let last: Promise<ReadonlyMap<string, number>> = Promise.resolve(new Map());
  const freeOf = async (folder: string): Promise<[string, number][]> => {
    try {
      const { bsize, bavail } = await statfs(folder);
      return [[folder, bsize * bavail]];
    } catch {
      return []; // not there yet, or not to be asked
    }
  };
  return {
    look: () => last = last.then(async () => new Map((await Promise.all(folders.map(freeOf))).flat())),
  };
}
