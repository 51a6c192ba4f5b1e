/**
 * From the handles of the command line to DIDs.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { TransientError } from "../../lib/pipeline/errors.ts";
import type { Values } from "../kit/declaration.ts";
import type { jetstreamOptions } from "../options/jetstream.ts";

const log = getLogger(["bskyingest", "handles"]);

/** How long servers may be in trouble. */
const LONGEST_TROUBLE_MS = 30_000;
/** Above that many, one line of the log stands for all handles. */
const MOST_LINES = 20;

/** A context with the options that name accounts. */
export interface HandlesContext {
  readonly values: Pick<
    Values<typeof jetstreamOptions>,
    "handles" | "wantedDids" | "resolverUrl" | "plcUrl" | "allowPrivate" | "maxTime"
  >;
  /** When the run that `--max-time` ends began. See `CommandContext`. */
  readonly began?: number;
}

/**
 * The accounts of `--wanted-dids` and of `--bluesky-user-handles`, each once; without handles nothing is asked.
 *
 * @param simulateUrl A simulated server's URL, which is asked in place of the resolver and the directory.
 * @throws {ConfigError} for what is no handle, and for handles that cannot be resolved.
 * @throws {TransientError} where a server is in trouble for too long, or `--max-time` ends first.
 */
export async function resolveWantedHandles(
  { values, began = 0 }: HandlesContext,
  simulateUrl?: string,
): Promise<string[]> {
  const { handles, wantedDids, maxTime, allowPrivate } = values;
  if (handles.length === 0) return [...wantedDids];
  const { resolveHandles } = await import("../../lib/sources/handles.ts");
  const leftMs = maxTime > 0 ? Math.max(0, began + maxTime - performance.now()) : Infinity;
  const timeUp = new AbortController();
  const timer = leftMs < Infinity
    ? setTimeout(() => timeUp.abort(new TransientError("Cannot resolve handles: --max-time ended first")), leftMs)
    : undefined;
  try {
    const { dids, resolved } = await resolveHandles(handles, {
      resolverUrl: simulateUrl ?? values.resolverUrl,
      plcUrl: simulateUrl ?? values.plcUrl,
      allowPrivate,
      limitMs: Math.min(LONGEST_TROUBLE_MS, leftMs),
      signal: timeUp.signal,
    });
    announce(resolved);
    return [...new Set([...wantedDids, ...dids])];
  } finally {
    clearTimeout(timer);
  }
}

function announce(resolved: ReadonlyMap<string, string>): void {
  if (resolved.size > MOST_LINES) log.info("Resolved {n} handles", { n: resolved.size });
  else for (const [handle, did] of resolved) log.info("{handle} = {did}", { handle, did });
}
