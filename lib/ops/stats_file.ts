/**
 * The file that keeps the figures of `/stats` between runs. They decide nothing, so that trouble with it stops nothing.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../pipeline/errors.ts";
import { writeTextAtomic } from "../state/atomic_file.ts";
import { makeFolder } from "../state/paths.ts";
import type { SavedStats } from "./tally.ts";

const log = getLogger(["bskyingest", "ops"]);

/** The figures of one state key, in the folder of all state. */
export function statsFile(folder: string, key: string): string {
  return join(folder, "stats", `${key}.json`);
}

/** Reads the figures of an earlier run; none where there are none, or they cannot be read. */
export async function loadStats(path: string): Promise<SavedStats | undefined> {
  try {
    const value = JSON.parse(await Deno.readTextFile(path));
    if (isStats(value)) return value;
    log.warn("Cannot read the figures of {path}: they begin at zero", { path });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    log.warn("Cannot read the figures of {path}, they begin at zero: {why}", { path, why: messageOf(error) });
  }
  return undefined;
}

function isStats(value: SavedStats): boolean {
  const isCount = (count: unknown) => Number.isSafeInteger(count) && (count as number) >= 0;
  return typeof value === "object" && value !== null && isCount(value.cursor) && isCount(value.totalReceived) &&
    typeof value.eventCounts === "object" && value.eventCounts !== null &&
    Object.values(value.eventCounts).every(isCount) && !Number.isNaN(Date.parse(value.lastEventTime));
}

/** Saves figures, one save at a time and only where they have changed. */
export interface StatsSaver {
  /** Never rejects. */
  save(stats: SavedStats): Promise<void>;
}

/** Makes the folder with the first save. Says once that saving does not work. */
export function statsSaver(path: string): StatsSaver {
  let saved = "";
  let last = Promise.resolve();
  let said = false;
  const write = async (text: string) => {
    if (text === saved) return;
    try {
      if (saved === "") await makeFolder(dirname(path));
      await writeTextAtomic(path, text);
      saved = text;
    } catch (error) {
      if (!said) log.warn("Cannot save the figures of /stats: {why}", { why: messageOf(error) });
      said = true;
    }
  };
  return {
    save: (stats) => last = last.then(() => write(JSON.stringify(stats) + "\n")),
  };
}
