/**
 * Where a run writes to, and where it keeps its position, locks, dead letters and gaps.
 *
 * @module
 */
import { parseRedisUrl } from "../../lib/net/redis/address.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { SINK_NAMES, type SinkName, SINKS } from "../../lib/sinks/registry.ts";
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
import { queueFile, queueLock } from "../../lib/sinks/queue/names.ts";
import type { CommandContext } from "../kit/command.ts";
import { redactUrl } from "../kit/redact.ts";
import type { Values } from "../kit/declaration.ts";
import type { deliveryOptions, sinkOptions } from "../options/delivery.ts";

/** How a command keeps what it has done. */
export interface StateOptions {
  /** The state key where none is given. */
  readonly defaultKey: string;
  /**
   * What is in the state file. `files`: which files are done; there is one beside every sink that keeps anything. `none`: there is
   * none, for the source itself knows what is done.
   */
  readonly format: FileCheckpointOptions["format"] | "files" | "none";
  /** The state file of the tool that the sink elasticsearch stands in for, in the working directory. */
  readonly olderFile?: string;
  /** The sinks that are taken where their URL is set and none is named, in this order; none: one must be named. */
  readonly sinks?: readonly SinkWithUrl[];
  /** The sink where none is named, whatever URLs are set. */
  readonly defaultSink?: SinkName;
  /** The stream of the sink redis where none is named; undefined: one must be. */
  readonly stream?: string;
  /** Its events do not say which signed commit they are of, and consumers of format `rsky` want to know. */
  readonly withoutCommits?: true;
}

/** A sink that is chosen by its URL. */
type SinkWithUrl = "elasticsearch" | "redis";

/** Of `jetstream`, and of the commands that look after its positions. */
export const JETSTREAM_STATE: StateOptions = {
  defaultKey: "jetstream",
  format: "jetstream",
  olderFile: ".jetstream_state.json",
  stream: "jetstream_live",
  withoutCommits: true,
};

/** Of `connector`, which stands in for a tool that knows queues only. */
export const CONNECTOR_STATE: StateOptions = { ...JETSTREAM_STATE, defaultKey: "connector", defaultSink: "queue" };

/** Of `consume`: what is done is known to the group, and whoever shares work says where it goes. */
export const CONSUME_STATE: StateOptions = { defaultKey: "consume", format: "none", sinks: [] };

/** Of `consume --from-queue`. */
export const CONSUME_QUEUE_STATE: StateOptions = { ...CONSUME_STATE, withoutCommits: true };

/** Of `megastream`. */
export const MEGASTREAM_STATE: StateOptions = {
  defaultKey: "megastream",
  format: "files",
  olderFile: ".processed_files.json",
  stream: "megastream",
  withoutCommits: true,
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
  /** Of the sink redis. */
  readonly stream: string | undefined;
  readonly key: string;
  /** The SQLite file (also a queue's) that keeps the position, or the state file, or neither. */
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
  readonly values:
    & Pick<
      Values<TargetOptions>,
      "sink" | "db" | "out" | "stateKey" | "stateFile" | "deadLetter" | "elasticsearchUrl"
    >
    & Partial<Pick<Values<TargetOptions>, "redisUrl" | "stream" | "format" | "queueDir" | "queueName">>;
  readonly origins: Readonly<Record<string, { readonly source: string; readonly name: string }>>;
  readonly env: CommandContext["env"];
}

/**
 * Finds out where everything is.
 *
 * @throws {ConfigError} for a bad state key, a state file beside a sink that keeps the position itself, and where no sink or stream is
 *   named that must be.
 */
export function findTarget({ values, origins, env }: TargetContext, state: StateOptions): Target {
  const key = checkStateKey(values.stateKey ?? state.defaultKey);
  const { sink, why } = chooseSink(values, origins, state);
  const stream = sink === "redis" ? streamOf(values, state) : undefined;
  const folder = stateFolder(env);
  const queue = sink === "queue" ? queueFile(values.queueDir!, values.queueName!) : undefined;
  const db = sink === "sqlite" ? values.db : queue;
  const file = stateFileOf(sink, key, folder, { values, origins }, state);
  return {
    sink,
    why,
    place: {
      sqlite: values.db,
      elasticsearch: redactUrl(values.elasticsearchUrl.join(",")) || "nowhere",
      redis: values.redisUrl === undefined ? "" : `${parseRedisUrl(values.redisUrl).describe} ${stream}`,
      queue: queue!,
      ndjson: values.out,
      stdout: "stdout",
      null: "nowhere",
    }[sink],
    stream,
    key,
    position: db !== undefined
      ? { db }
      : file !== undefined && (state.format === "jetstream" || state.format === "cursors")
      ? { file, format: state.format }
      : undefined,
    stateFile: file,
    locks: [
      ...file === undefined ? [] : [stateLock(file)],
      ...queue !== undefined ? [queueLock(queue)] : [],
      ...sink !== "sqlite" || state.format === "none" ? [] : [databaseLock(values.db, key)],
    ],
    deadLetter: values.deadLetter ?? deadLetterFile(folder, key),
    gaps: gapsFile(folder),
  };
}

/** The sink that is named, else the first one whose URL is set, else SQLite. */
function chooseSink(
  values: TargetContext["values"],
  origins: TargetContext["origins"],
  { sinks = ["elasticsearch", "redis"], defaultSink }: StateOptions,
): { readonly sink: SinkName; readonly why: string } {
  const by = ({ source, name }: { readonly source: string; readonly name: string }) =>
    source === "default" ? "the default" : `${source === "flag" ? "" : "by "}${name}`;
  if (values.sink !== undefined) return { sink: values.sink, why: by(origins.sink!) };
  if (defaultSink !== undefined) return { sink: defaultSink, why: "the default" };
  if (sinks.length === 0) {
    throw new ConfigError("Cannot tell where events go: --sink is not set", { hint: `Name one of ${SINK_LIST}` });
  }
  const urls = {
    elasticsearch: values.elasticsearchUrl.length > 0 ? origins.elasticsearchUrl : undefined,
    redis: origins.redisUrl?.source === "default" ? undefined : origins.redisUrl, // one that nobody set is a server here
  };
  const sink = sinks.find((each) => urls[each] !== undefined);
  return sink === undefined ? { sink: "sqlite", why: "the default" } : { sink, why: by(urls[sink]!) };
}

const SINK_LIST = SINK_NAMES.join(", ");

/** Another program's consumers may read whatever stream is guessed. */
function streamOf({ stream: named, format }: TargetContext["values"], state: StateOptions): string {
  if (format === "rsky" && state.withoutCommits) {
    throw new ConfigError("Cannot use --format rsky: these events do not say which signed commit they are of");
  }
  const stream = named ?? state.stream;
  if (stream !== undefined) return stream;
  throw new ConfigError("Cannot write to Redis: --stream is not set", {
    hint: "Name the stream that events are added to",
  });
}

function stateFileOf(
  sink: SinkName,
  key: string,
  folder: string,
  { values, origins }: Pick<TargetContext, "values" | "origins">,
  { format, defaultKey, olderFile }: StateOptions,
): string | undefined {
  if (format === "none" || (SINKS[sink].keepsPosition && format !== "files")) {
    if (origins.stateFile?.source !== "flag") return undefined;
    if (format === "none") throw new ConfigError("Cannot use --state-file: the position is kept by what is read");
    throw new ConfigError(`Cannot use --state-file with --sink ${sink}: it keeps the position itself`, {
      hint: "Use --state-key to keep several positions there",
    });
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
