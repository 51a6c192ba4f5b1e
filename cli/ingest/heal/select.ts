/**
 * Which gaps are healed, and which run they are of.
 *
 * @module
 */
import { ConfigError } from "../../../lib/pipeline/errors.ts";
import { type GapRow, listGaps } from "../../../lib/state/gaps.ts";
import type { HEALED_COMMANDS } from "../../options/heal.ts";

/** A command that meets gaps. */
export type HealedCommand = keyof typeof HEALED_COMMANDS;

/** Gaps of one run. */
export interface GapsOfRun {
  /** The ledger that they are in. */
  readonly file: string;
  readonly command: HealedCommand;
  /** Of the run. */
  readonly stateKey: string;
  readonly rows: readonly GapRow[];
}

/** What the keys of positions begin with, or what follows an explicit state key in them. */
const KEY_HEADS: readonly (readonly [head: string, command: HealedCommand])[] = [
  ["firehose_live:cursor:", "firehose"],
  ["label_live:cursor:", "labeler"],
  ["repo_backfill:cursor:", "backfill"],
];

/** Whose run has met a gap. Whoever races keeps the position of each host behind the state key. */
export function runOf({ key, source }: Pick<GapRow, "key" | "source">): Pick<GapsOfRun, "command" | "stateKey"> {
  for (const [head, command] of KEY_HEADS) {
    const at = key.indexOf(head);
    if (at >= 0) return { command, stateKey: at === 0 ? command : key.slice(0, at - 1) };
  }
  if (source === "megastream") return { command: "megastream", stateKey: key };
  const stateKey = key.split(":", 1)[0]!;
  return { command: stateKey === "connector" ? stateKey : "jetstream", stateKey };
}

/**
 * The open gaps of these files, or those of them that are named; undefined: there is none.
 *
 * @param ids Numbers of gaps; none: all.
 * @throws {ConfigError} for a number that no open gap has, and where they are of several runs: each has options of its own.
 */
export function selectGaps(files: readonly string[], ids: readonly number[]): GapsOfRun | undefined {
  const open = files.flatMap((file) => listGaps(file).map((row) => ({ file, row, ...runOf(row) })));
  const unknown = ids.find((id) => open.every(({ row }) => row.id !== id));
  if (unknown !== undefined) {
    throw new ConfigError(`Cannot heal gap ${unknown}: there is no open one with this number`);
  }
  const chosen = open.filter(({ row }) => ids.length === 0 || ids.includes(row.id));
  const [first] = chosen;
  if (first === undefined) return undefined;
  const runs = Map.groupBy(chosen, ({ file, command, stateKey }) => `${command} ${stateKey} in ${file}`);
  if (runs.size > 1) {
    const each = [...runs].map(([run, gaps]) => `${gaps.map(({ row }) => row.id).join(", ")} of ${run}`);
    throw new ConfigError(`Cannot heal gaps of several runs at once: ${each.join("; ")}`, {
      hint: "Name those of one run; where two files have the same number, one of the files with --ledger",
    });
  }
  const { file, command, stateKey } = first;
  return { file, command, stateKey, rows: chosen.map(({ row }) => row) };
}
