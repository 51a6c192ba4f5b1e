/**
 * Where a run writes to, and where it keeps its position, locks, dead letters and gaps.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type SinkName, SINKS } from "../../lib/sinks/registry.ts";
import type { FileCheckpointOptions } from "../../lib/state/file_checkpoint.ts";
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

/** How a command keeps what it has done. */
export interface StateOptions {
  /** The state key where none is given. */
  readonly defaultKey: string;
  /** What is in the state file. `files`: which files are done; there is one beside every sink that keeps anything. */
  readonly format: FileCheckpointOptions["format"] | "files";
  /** The state file of the tool that the sink elasticsearch stands in for, in the working directory. */
  readonly olderFile?: string;
}

/** Of `jetstream`, and of the commands that look after its positions. */
export const JETSTREAM_STATE: StateOptions = {
  defaultKey: "jetstream",
  format: "jetstream",
  olderFile: ".jetstream_state.json",
};

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
  readonly position: { readonly db: string } | {
    readonly file: string;
    readonly format: FileCheckpointOptions["format"];
  } | undefined;
  /** The state file, whatever is in it. */
  readonly stateFile: string | undefined;
  readonly locks: readonly string[];
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
 * @throws {ConfigError} for a bad state key, or a state file beside a sink that keeps the position itself.
 */
export function findTarget({ values, origins, env }: TargetContext, state: StateOptions): Target {
  const key = checkStateKey(values.stateKey ?? state.defaultKey);
  const { sink, why } = chooseSink(values, origins);
  const folder = stateFolder(env);
  const db = sink === "sqlite" ? values.db : undefined;
  const file = stateFileOf(sink, key, folder, { values, origins }, state);
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
    position: db !== undefined
      ? { db }
      : file !== undefined && state.format !== "files"
      ? { file, format: state.format }
      : undefined,
    stateFile: file,
    locks: [...file === undefined ? [] : [stateLock(file)], ...db === undefined ? [] : [databaseLock(db, key)]],
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

function stateFileOf(
  sink: SinkName,
  key: string,
  folder: string,
  { values, origins }: Pick<TargetContext, "values" | "origins">,
  { format, defaultKey, olderFile }: StateOptions,
): string | undefined {
  if (sink === "sqlite" && format !== "files") {
    if (origins.stateFile?.source === "flag") {
      throw new ConfigError("Cannot use --state-file with --sink sqlite: the position is kept in the database", {
        hint: "Use --state-key to keep several positions in one database",
      });
    }
    return undefined;
  }
  const asked = values.stateFile !== undefined || values.stateKey !== undefined;
  // What is printed or thrown away is gone: such a run starts afresh unless the user wants to go on.
  if ((sink === "stdout" || sink === "null") && !asked) return undefined;
  const older = sink === "elasticsearch" && key === defaultKey ? olderFile : undefined;
  return values.stateFile ?? (older !== undefined && isFile(older) ? older : stateFile(folder, key, sink));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
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
