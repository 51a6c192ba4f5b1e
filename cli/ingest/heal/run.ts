/**
 * One run of `gaps heal`: the gaps of one run are read again, one after the other, into the sink that they are missing in.
 *
 * @module
 */
import { resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { ConfigError } from "../../../lib/pipeline/errors.ts";
import { type GapRow, healGap } from "../../../lib/state/gaps.ts";
import { usableSettings } from "../../doctor/settings.ts";
import type { CommandContext } from "../../kit/command.ts";
import type { Options } from "../../kit/declaration.ts";
import { printable } from "../../kit/terminal.ts";
import { HEALED_COMMANDS } from "../../options/heal.ts";
import type { ReportPart } from "../../report.ts";
import { stateOf } from "../live_sources.ts";
import type { Delivery, Reading } from "../reading.ts";
import { runIngest } from "../run.ts";
import {
  CONNECTOR_STATE,
  findTarget,
  JETSTREAM_STATE,
  MEGASTREAM_STATE,
  type StateOptions,
  type Target,
} from "../target.ts";
import type { IngestOptions } from "../transfer.ts";
import type { GapsOfRun, HealedCommand } from "./select.ts";
import { type Healer, hopeless, type Verdict } from "./verdict.ts";

const log = getLogger(["bskyingest", "heal"]);

/** Heals what can be healed and says what became of it. Answers the exit status: 3 where something stays open. */
export async function runHeal(context: CommandContext, gaps: GapsOfRun): Promise<number> {
  const own = await ownContext(context, gaps);
  const state = stateOptionsOf(gaps.command);
  checkLedger(gaps, findTarget(own, state));
  return await runIngest({
    context: own,
    state,
    makeReading: async (target) => healing(gaps, await makeHealer(own, gaps.command, target), own.values.dryRun),
    endOfSource: "source",
    live: false,
    limit: 0,
    maxTimeMs: 0,
  });
}

/** The settings of the command that met the gaps, with those flags that were given to us. */
async function ownContext(
  context: CommandContext,
  { command, stateKey }: GapsOfRun,
): Promise<CommandContext<IngestOptions>> {
  const settings = await usableSettings<Options>(context, command, HEALED_COMMANDS[command]);
  const values: Record<string, unknown> = { ...settings.values };
  if (values.stateKey !== stateKey) values.stateKey = stateKey === command ? undefined : stateKey;
  return {
    ...context,
    values,
    origins: settings.origins,
    given: (key: string) => key === "stateKey" ? values.stateKey !== undefined : settings.given(key),
  } as unknown as CommandContext<IngestOptions>;
}

function stateOptionsOf(command: HealedCommand): StateOptions {
  switch (command) {
    case "jetstream":
      return JETSTREAM_STATE;
    case "connector":
      return CONNECTOR_STATE;
    case "megastream":
      return MEGASTREAM_STATE;
    default:
      return stateOf(command, false);
  }
}

/**
 * What is missing in one sink must not be written to another one.
 *
 * @throws {ConfigError} where the options name another sink than the run had that met the gaps.
 */
function checkLedger({ file, rows }: GapsOfRun, { sink, place, position, gaps }: Target): void {
  const ledger = sink === "sqlite" && position && "db" in position ? position.db : gaps;
  if (resolve(ledger) === resolve(file)) return;
  const ids = rows.map(({ id }) => id).join(", ");
  throw new ConfigError(`Cannot heal gap ${ids} of ${file}: the events would go into ${place} (${sink})`, {
    hint: "Give the options of the run that met it: --db, or --sink and its own",
  });
}

/** What reads, with the hosts that it reads from. */
interface HealerOfRun {
  readonly heal: Healer;
  readonly hosts?: readonly string[];
}

async function makeHealer(
  context: CommandContext<IngestOptions>,
  command: HealedCommand,
  target: Target,
): Promise<HealerOfRun> {
  // The values are those of the command: its own options were resolved.
  const as = <T>() => context as unknown as T;
  if (command === "megastream") {
    const { megastreamHealer } = await import("./megastream.ts");
    return { heal: megastreamHealer(as(), target) };
  }
  if (command === "jetstream" || command === "connector") {
    const { jetstreamHealer } = await import("./jetstream.ts");
    return await jetstreamHealer(as());
  }
  const { backfillHealer, firehoseHealer, labelerHealer } = await import("./streams.ts");
  if (command === "labeler") return { heal: labelerHealer(as()) };
  if (command === "backfill") return { heal: backfillHealer(as<BackfillContext>().values.relayHosts) };
  return { heal: firehoseHealer(as(), target.sink === "redis" && context.values.format === "rsky") };
}

type BackfillContext = CommandContext<typeof HEALED_COMMANDS.backfill>;

function healing({ file, rows }: GapsOfRun, { heal, hosts }: HealerOfRun, dryRun: boolean): Reading {
  const healed: number[] = [];
  const open = new Map<number, string>(rows.map(({ id }) => [id, "the run ended before"]));
  return {
    name: (hosts ?? [...new Set(rows.map(({ host }) => host))]).join(","),
    async run(delivery) {
      delivery.announce(`healing ${rows.length} of ${file}`);
      for (const row of rows) {
        const verdict = await verdictOf(row, heal, delivery);
        if (verdict.state === "stopped") return "stop";
        if (!dryRun) await note(file, row, verdict);
        if (verdict.state === "open") open.set(row.id, verdict.why);
        else open.delete(row.id), healed.push(row.id);
      }
      return "source";
    },
    report: () => partOf(healed, open),
  };
}

async function verdictOf(row: GapRow, heal: Healer, delivery: Delivery): Promise<Verdict> {
  if (delivery.stop.aborted) return { state: "stopped" };
  const why = hopeless(row);
  return why === undefined ? await heal(row, delivery) : { state: "open", why };
}

/** Everything that was read is safe. */
async function note(file: string, { id, to }: GapRow, verdict: Exclude<Verdict, { state: "stopped" }>): Promise<void> {
  if (verdict.state === "healed") {
    log.info("Gap {id} is healed", { id });
    return await healGap(file, id, "healed");
  }
  log.warn("Gap {id} stays open: {why}", { id, why: verdict.why });
  if (verdict.to !== undefined && to !== null && verdict.to < to) await healGap(file, id, verdict.to);
}

function partOf(healed: readonly number[], open: ReadonlyMap<number, string>): ReportPart {
  const lines = [...open].map(([id, why]) => `gap ${id} stays open: ${printable(why)}`);
  return {
    members: { healed, open: [...open].map(([id, why]) => ({ id, why })) },
    lines: healed.length === 0 ? lines : [`healed: gap ${healed.join(", ")}`, ...lines],
    failed: open.size > 0,
  };
}
