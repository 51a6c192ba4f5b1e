/**
 * Where a capture begins.
 *
 * @module
 */
import type { Cursor } from "../../../lib/pipeline/batch.ts";
import { ConfigError } from "../../../lib/pipeline/errors.ts";
import type { JetstreamSource } from "../../../lib/sources/jetstream/jetstream.ts";
import type { Values } from "../../kit/declaration.ts";
import type { connectorOptions } from "../../options/connector.ts";
import { whereFrom } from "../reading.ts";

type ConnectorValues = Values<typeof connectorOptions>;

/** The options that say where to begin. */
export type BeginOptions = Pick<ConnectorValues, "url" | "cursor" | "startTimestamp" | "noRewind" | "resume">;

/** What is saved. */
export interface SavedPosition {
  readonly cursor: Cursor | undefined;
  /** The run that saved it came to its end. */
  readonly ended: boolean;
}

/** Where a run begins. */
export interface Start {
  /** Whether it begins live although there may be a saved position. */
  readonly live: boolean;
  /** For the start line. */
  readonly text: string;
}

/** A capture without any end is no capture. @throws {ConfigError} */
export function checkEnds(
  { numRecords, maxTime, endTimestamp }: Pick<ConnectorValues, "numRecords" | "maxTime" | "endTimestamp">,
): void {
  if (numRecords > 0 || maxTime > 0 || endTimestamp !== undefined) return;
  throw new ConfigError(
    "Cannot run without an end: --num-records and --max-time are 0, and there is no --end-timestamp",
    {
      hint: "Use bskyingest jetstream --sink queue to go on for ever",
    },
  );
}

/** Decides: what the user says, strongest first, and else whether the last run was kept from its end. */
export function startOf({ cursor, ended }: SavedPosition, options: BeginOptions): Start {
  if (isToldWhere(options)) return { live: false, text: "beginning where it is told to" };
  if (options.noRewind) return { live: false, text: "live, by --no-rewind" };
  if (cursor === undefined) {
    return { live: true, text: options.resume ? "live: --resume finds no saved position" : "live, no saved position" };
  }
  const where = whereFrom(cursor);
  if (options.resume) return { live: false, text: where };
  if (!ended) return { live: false, text: `continuing the last run, which was killed: ${where}` };
  return { live: true, text: "live: the last run came to its end, --resume goes on from there" };
}

function isToldWhere({ url, cursor, startTimestamp }: BeginOptions): boolean {
  if (cursor !== undefined || startTimestamp !== undefined) return true;
  return url !== undefined && new URL(url).searchParams.has("cursor");
}

/** The same source; the first time that it is opened it begins live, whatever is saved. */
export function beginningLive(source: JetstreamSource): JetstreamSource {
  let first = true;
  return {
    ...source,
    open(options) {
      const afresh = first;
      first = false;
      return source.open({ ...options, afresh });
    },
  };
}
