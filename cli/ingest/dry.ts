/**
 * Sinks for `--dry-run`: they read a position and write nothing.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { CheckpointStore, Sink } from "../../lib/pipeline/sink.ts";
import { type OpenSink, type SinkEntry, SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import type { Target } from "./target.ts";

/** What stands in for the sink of a run: it does all that its sink does but for writing. */
export async function drySink({ sink, position }: Target, settings: SinkSettings): Promise<OpenSink> {
  const entry: SinkEntry = SINKS[sink];
  const dry = await entry.openDry?.(settings) ?? countingSink(sink);
  return position && "db" in position ? { ...dry, checkpoints: await readOnly(position.db) } : dry;
}

/** A sink that only counts. */
export function countingSink(name: string): Sink<AnyEvent> {
  return {
    name,
    write: () => Promise.resolve({ rejected: [] }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function readOnly(db: string): Promise<CheckpointStore> {
  const { listCursors, readSqlitePosition } = await import("../../lib/state/cursors_table.ts");
  return {
    load: (key) => Promise.resolve(readSqlitePosition(db, key)),
    ended: (key) => Promise.resolve(listCursors(db).some((row) => row.key === key && row.state === "done")),
    save: () => Promise.resolve(),
  };
}
