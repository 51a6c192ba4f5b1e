/**
 * Where a run writes to, and where it keeps its position, locks, dead letters and gaps.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { CheckpointStore, Sink } from "../../lib/pipeline/sink.ts";
import { type SinkName, SINKS } from "../../lib/sinks/registry.ts";
import {
  checkStateKey,
  databaseLock,
  deadLetterFile,
  gapsFile,
  stateFile,
  stateFolder,
  stateLock,
} from "../../lib/state/paths.ts";
import type { CommandContext } from "../kit/command.ts";
import { redactUrl } from "../kit/redact.ts";
import type { Values } from "../kit/declaration.ts";
import type { deliveryOptions, sinkOptions } from "../options/delivery.ts";

/** The state file of ingex's `jetstream_ingest`, in the working directory. */
const OLDER_FILE = ".jetstream_state.json";

/** The options that a run's target follows from. */
export type TargetOptions = typeof deliveryOptions & typeof sinkOptions;

/** Places, before anything is opened. */
export interface Target {
  readonly sink: SinkName;
  /** Why this sink. */
  readonly why: string;
  /** What it writes to, for people. */
  readonly place: string;
  readonly key: string;
  /** The SQLite file that keeps the position, or the state file, or neither. */
  readonly position: { readonly db: string } | { readonly file: string } | undefined;
  readonly lock: string | undefined;
  readonly deadLetter: string;
  readonly gaps: string;
}

/** The context of a command that has the options of a target. */
export interface TargetContext {
  readonly values: Pick<
    Values<TargetOptions>,
    "sink" | "db" | "out" | "stateKey" | "stateFile" | "deadLetter" | "elasticsearchUrl"
  >;
  readonly origins: Readonly<Record<string, { readonly source: string; readonly name: string }>>;
  readonly env: CommandContext["env"];
}

/**
 * Finds out where everything is.
 *
 * @param defaultKey The state key where none is given.
 * @throws {ConfigError} for a bad state key, or a state file beside a sink that keeps the position itself.
 */
export function findTarget({ values, origins, env }: TargetContext, defaultKey: string): Target {
  const key = checkStateKey(values.stateKey ?? defaultKey);
  const { sink, why } = chooseSink(values, origins);
  const folder = stateFolder(env);
  const position = positionOf(sink, key, folder, values, origins);
  return {
    sink,
    why,
    place: {
      sqlite: values.db,
      elasticsearch: redactUrl(values.elasticsearchUrl.join(",")) || "nowhere",
      ndjson: values.out,
      stdout: "stdout",
      null: "nowhere",
    }[sink],
    key,
    position,
    lock: position && ("db" in position ? databaseLock(position.db, key) : stateLock(position.file)),
    deadLetter: values.deadLetter ?? deadLetterFile(folder, key),
    gaps: gapsFile(folder),
  };
}

/** The sink that is named, else the one whose URL is set, else SQLite. */
function chooseSink(
  values: TargetContext["values"],
  origins: TargetContext["origins"],
): { readonly sink: SinkName; readonly why: string } {
  const by = ({ source, name }: { readonly source: string; readonly name: string }) =>
    `${source === "flag" ? "" : "by "}${name}`;
  if (values.sink !== undefined) return { sink: values.sink, why: by(origins.sink!) };
  if (values.elasticsearchUrl.length > 0) return { sink: "elasticsearch", why: by(origins.elasticsearchUrl!) };
  return { sink: "sqlite", why: "the default" };
}

function positionOf(
  sink: SinkName,
  key: string,
  folder: string,
  values: TargetContext["values"],
  origins: TargetContext["origins"],
): Target["position"] {
  if (sink === "sqlite") {
    if (origins.stateFile?.source === "flag") {
      throw new ConfigError("Cannot use --state-file with --sink sqlite: the position is kept in the database", {
        hint: "Use --state-key to keep several positions in one database",
      });
    }
    return { db: values.db };
  }
  const asked = values.stateFile !== undefined || values.stateKey !== undefined;
  // What is printed or thrown away is gone: such a run starts afresh unless the user wants to go on.
  if ((sink === "stdout" || sink === "null") && !asked) return undefined;
  return { file: values.stateFile ?? olderFile(sink, key) ?? stateFile(folder, key, sink) };
}

/** The file of the tool that the sink elasticsearch stands in for, where it left one. */
function olderFile(sink: SinkName, key: string): string | undefined {
  if (sink !== "elasticsearch" || key !== "jetstream") return undefined;
  try {
    return Deno.statSync(OLDER_FILE).isFile ? OLDER_FILE : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Writes side by side.
 *
 * @throws {ConfigError} for more than the sink takes.
 */
export function concurrencyOf(asked: number | undefined, sink: SinkName): number {
  const { maxConcurrency, defaultConcurrency } = SINKS[sink];
  if (asked === undefined) return defaultConcurrency;
  if (asked <= maxConcurrency) return asked;
  throw new ConfigError(`Cannot use --concurrency ${asked} with --sink ${sink}: it keeps events in order`);
}

/** A sink that counts, for `--dry-run`. It reads a position and saves none. */
export function drySink(name: string, load: CheckpointStore["load"]): Sink<AnyEvent> {
  return {
    name,
    checkpoints: { load, save: () => Promise.resolve() },
    write: () => Promise.resolve({ rejected: [] }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
