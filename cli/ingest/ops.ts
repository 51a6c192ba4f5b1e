/**
 * The operations server of a run, from its options.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Ops } from "../../lib/ops/ops.ts";
import type { RunDescription } from "../../lib/ops/run_watch.ts";
import type { Counters } from "../../lib/pipeline/counters.ts";
import { type SinkEntry, SINKS } from "../../lib/sinks/registry.ts";
import { stateFolder } from "../../lib/state/paths.ts";
import type { CommandContext } from "../kit/command.ts";
import { recent } from "../log.ts";
import type { Reading } from "./reading.ts";
import type { Ingest } from "./run.ts";
import { concurrencyOf, type Target } from "./target.ts";
import type { listenOptions } from "../options/listen.ts";

/**
 * Starts the server; undefined: nobody asked for one.
 *
 * @param targets The files that are written to.
 * @throws {ConfigError} for an address that cannot be listened on, or that others reach without a token.
 */
export async function startListening(
  { values, env }: Pick<CommandContext<typeof listenOptions>, "values" | "env">,
  targets: readonly string[],
): Promise<Ops | undefined> {
  const { listen, listenToken, listenHost, listenInsecure, legacyMetrics } = values;
  if (listen === undefined) return undefined;
  const { startOps } = await import("../../lib/ops/ops.ts");
  return await startOps({
    address: listen,
    token: listenToken,
    hosts: listenHost,
    insecure: listenInsecure,
    legacyMetrics,
    errors: recent,
    folders: [...new Set([stateFolder(env), ...targets.map(dirname)])],
  });
}

/** What a run consists of, as far as the server is told. */
export interface RunParts {
  readonly target: Target;
  readonly reading: Reading;
  readonly counters: Counters;
  readonly startedAt: Date;
}

/** What the server is told of a run. */
export function aboutRun(
  { context: { command, values, env }, live }: Pick<Ingest, "context" | "live">,
  { target, reading, counters, startedAt }: RunParts,
): RunDescription {
  const { sink, key, stream, gaps } = target;
  const { defaultBatchSize, batchesPerWrite = 1 }: SinkEntry = SINKS[sink];
  return {
    command,
    source: reading.name,
    sink,
    stream,
    key,
    counters,
    stats: reading.stats,
    live,
    limits: {
      inFlight: values.maxInFlight,
      batch: (values.batchSize ?? defaultBatchSize) * batchesPerWrite,
      writes: concurrencyOf(values.concurrency, sink),
    },
    startedAt: startedAt.getTime(),
    gaps: sink === "sqlite" ? values.db : gaps,
    stateFolder: values.dryRun ? undefined : stateFolder(env),
  };
}
