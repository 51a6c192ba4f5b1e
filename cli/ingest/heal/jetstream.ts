/**
 * Gaps of `jetstream` and `connector`: what one host has left out is read from another one of the list.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { isBusy } from "../../../lib/sources/jetstream/filter.ts";
import { collectionsOf, jetstream } from "../../../lib/sources/jetstream/jetstream.ts";
import { type JetstreamOptions, makePlan, type Plan } from "../../../lib/sources/jetstream/options.ts";
import { formatPosition, parsePosition } from "../../../lib/sources/jetstream/position.ts";
import { findStarts } from "../../../lib/sources/jetstream/starts.ts";
import type { CommandContext } from "../../kit/command.ts";
import type { jetstreamOptions } from "../../options/jetstream.ts";
import { resolveWantedHandles } from "../handles.ts";
import { sourceOptions } from "../jetstream_source.ts";
import type { Delivery } from "../reading.ts";
import { BACKOFF, readPiece, stillMissing } from "./piece.ts";
import { type Bounds, HEALED, type Healer, NOT_PASSED, open, STOPPED, type Verdict } from "./verdict.ts";

const log = getLogger(["bskyingest", "heal"]);

/** Where to look for what no server has any more. */
const ARCHIVE = "an archive may (see planSnapshot in Jetstream's documentation)";

/** Reads gaps with the options of the command that met them. */
export async function jetstreamHealer(
  context: CommandContext<typeof jetstreamOptions>,
): Promise<{ readonly heal: Healer; readonly hosts: readonly string[] }> {
  const { cursor: _cursor, start: _start, end: _end, ...options } = sourceOptions(context);
  makePlan(options); // faults of the options come before anybody is asked for handles
  const dids = await resolveWantedHandles(context);
  const settings: JetstreamOptions = { ...options, ...(dids.length > 0 && { dids }), backoff: BACKOFF };
  const plan = makePlan(settings);
  const heal: Healer = (row, delivery) =>
    row.unit === "us"
      ? healTime(row as Bounds, settings, plan, delivery)
      : Promise.resolve(open(`it is counted in sequence numbers, which the server no longer has, ${ARCHIVE}`));
  return { heal, hosts: plan.endpoints.map(({ host }) => host) };
}

async function healTime(row: Bounds, options: JetstreamOptions, plan: Plan, delivery: Delivery): Promise<Verdict> {
  const { id, from, to } = row;
  const { overlapUs } = plan;
  const starts = await findStarts(plan, from - overlapUs, delivery.stop);
  if (delivery.stop.aborted) return STOPPED;
  // Where the host that had left it out has it now, the times are the same.
  const best = starts.find(({ host, startUs }) => host === row.host && startUs <= from) ?? starts[0];
  if (best === undefined) return open("no host of the list has answered");
  if (best.startUs > to) return open(`no host has it any more, ${ARCHIVE}`);
  const last = await lastToWrite(row, best.host, overlapUs, delivery);
  if (typeof last === "string") return open(last);
  log.info("Gap {id}: reading {collections} of {accounts} from {from} to {to} again, at {host}", {
    id,
    collections: collectionsOf(plan).join(",") || "no collection",
    accounts: plan.filter.dids === undefined ? "all accounts" : `${plan.filter.dids.length} accounts`,
    from: new Date(from / 1000).toISOString(),
    to: new Date(to / 1000).toISOString(),
    host: best.host,
  });
  // A position of that host, so that the source begins there and not at the first one of the list.
  const cursor = formatPosition({ v: 1, host: best.host, wire: "v1", time_us: from });
  const piece = await readPiece({
    key: `heal:${id}`,
    open: ({ stop }) => jetstream({ ...options, end: last + 1 }).open({ cursor, ...(stop && { stop }) }),
    withinUs: overlapUs,
  }, delivery);
  if (piece.stopped) return STOPPED;
  if (piece.failure !== undefined) return open(piece.failure);
  const missing = stillMissing(piece.gaps, to) ?? (best.startUs > from ? best.startUs : undefined);
  if (missing !== undefined) return open(`no host has all of it any more, ${ARCHIVE}`, missing);
  const { time_us: reached, wire } = piece.cursor === undefined
    ? { time_us: from, wire: "v2" as const }
    : parsePosition(piece.cursor);
  if (isBusy(plan.filter, wire) && reached < to - overlapUs) {
    return open(`${best.host} fell silent in the middle of it`);
  }
  return HEALED;
}

/**
 * Up to which time events are written, in microseconds: what comes behind the position the run will read by itself.
 *
 * @returns In words, why it cannot be told.
 */
async function lastToWrite(
  { key, host, to }: Bounds,
  best: string,
  overlapUs: number,
  { positions }: Delivery,
): Promise<number | string> {
  const saved = await positions?.load(key);
  if (saved === undefined) return to + overlapUs;
  const position = parsePosition(saved);
  if (position.time_us < to) return NOT_PASSED;
  if (position.time_us >= to + overlapUs) return to + overlapUs;
  if (best === host && position.host === host) return position.time_us;
  return `the run has hardly passed it, and the clock of ${best} may differ: heal it when the run is further on`;
}
