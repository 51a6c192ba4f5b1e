/**
 * From options of the command line to the sources of `firehose`, `labeler` and `backfill`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { FirehoseOptions } from "../../lib/sources/firehose.ts";
import type { LiveOptions } from "../../lib/sources/live/options.ts";
import { fileError } from "../../lib/state/files.ts";
import type { CommandContext } from "../kit/command.ts";
import type { Values } from "../kit/declaration.ts";
import type { firehoseOptions, labelerOptions } from "../options/firehose.ts";
import type { StateOptions } from "./target.ts";

/** What rsky-ingester took of the firehose. */
const RSKY_COLLECTIONS = ["app.bsky.*", "chat.bsky.*"];

/** Where a source is: at hosts, or at a server inside this process that stands for one. */
export interface Place {
  readonly hosts: readonly string[];
  readonly alias?: string;
}

/** Where positions are. Simulated ones never decide where a real run begins. */
export function stateOf(command: keyof typeof STREAMS, simulated: boolean): StateOptions {
  return {
    defaultKey: simulated ? `${command}-simulate` : command,
    format: "cursors",
    sinks: ["redis", "elasticsearch"],
    stream: STREAMS[command],
  };
}

/** The streams as the older programs call them. */
const STREAMS = { firehose: "firehose_live", labeler: "label_live", backfill: "repo_backfill" } as const;

/**
 * Put before the keys of positions. In Redis they are called as the older programs call them.
 *
 * @param sink The sink's name.
 */
export function prefixOf(
  context: Pick<CommandContext, "given">,
  key: string,
  sink: string,
  simulated: boolean,
): string {
  return sink !== "redis" && (simulated || context.given("stateKey" as never)) ? `${key}:` : "";
}

/** Values that the streams of frames have in common. */
export type FrameValues = Pick<
  Values<typeof labelerOptions>,
  "cursor" | "until" | "onFutureCursor" | "strict" | "maxFrameBytes" | "idleTimeout"
>;

/** What the streams of frames have in common. */
export function liveOf(
  values: FrameValues,
  { hosts, alias }: Place,
  keyPrefix: string,
): LiveOptions {
  const { cursor, until, onFutureCursor, strict, maxFrameBytes, idleTimeout } = values;
  return {
    hosts,
    ...(alias !== undefined && { alias }),
    ...(cursor !== undefined && { cursor }),
    ...(until !== undefined && { until }),
    onFutureCursor,
    strict,
    maxFrameBytes,
    ...(idleTimeout !== undefined && { idleTimeout }),
    keyPrefix,
  };
}

/**
 * The options of the firehose.
 *
 * @param rsky Whether consumers of rsky-ingester's format read what is written.
 * @throws {ConfigError} For a file of DIDs that cannot be read or has none, and for kinds that the format has no entry for.
 */
export function firehoseOf(
  { values, given, inPlace }: Pick<CommandContext<typeof firehoseOptions>, "values" | "given" | "inPlace">,
  live: LiveOptions,
  rsky: boolean,
): FirehoseOptions {
  const { verify, dedupe, dedupeWindow, kinds, ops } = values;
  if (rsky && kinds.includes("sync")) {
    throw new ConfigError("Cannot use --kinds sync with --format rsky: its consumers fail on it");
  }
  const dids = [...values.wantedDids, ...values.didsFile === undefined ? [] : readDids(values.didsFile)];
  return {
    ...live,
    collections: rsky && !given("wantedCollections") ? RSKY_COLLECTIONS : values.wantedCollections,
    ...(ops.length > 0 && { operations: ops }),
    ...(dids.length > 0 && { dids }),
    kinds,
    verify,
    dedupe,
    dedupeWindow,
    ...((rsky || inPlace) && { begin: "oldest" }),
    ...(rsky && { handles: true }),
  };
}

function readDids(file: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    throw fileError("read DIDs from", file, error);
  }
  const dids = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (dids.length === 0) throw new ConfigError(`Cannot read DIDs from ${file}: there is none`);
  return dids;
}
