/**
 * `deno task soak [--minutes N] [--rate N] [--seed N]`: a simulated source of 5,000 events a second into SQLite and Redis, with a disconnect
 * every 20 s, a sink that takes nothing for 5 s every 30 s, and a kill -9 every minute. At the end each sink must have what the source
 * sent, each event once, and memory and file handles must not have grown; else the exit status is 1. Needs `scripts/services install redis`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Figures, Trend } from "./soak/figures.ts";
import { growthOf } from "./soak/figures.ts";
import { soak, type SoakReport } from "./soak/run.ts";

const USAGE = "Usage: deno task soak [--minutes N] [--rate N] [--seed N]";

const mb = (bytes: number) => `${Math.round(bytes / 1e6)}`;
const arrow = ({ start, end, peak }: Trend, text: (value: number) => string) =>
  `${text(start)} -> ${text(end)} (peak ${text(peak)})`;

function describe({ seconds, rss, handles }: Figures): string {
  return `RSS ${arrow(rss, mb)} MB, handles ${arrow(handles, String)}, over ${seconds} s of one life`;
}

/** The report as lines, one for each figure that matters. */
export function reportLines({ seconds, lanes, source }: SoakReport): string[] {
  return [
    `${seconds} s`,
    ...lanes.flatMap((lane) => [
      `${lane.name}: ${lane.events} events (${
        Math.round(lane.events / seconds)
      }/s), ${lane.kills} kills, ${lane.disconnects} disconnects, ${lane.pauses} pauses`,
      `${lane.name}: ${lane.lost} lost, ${lane.doubled} doubled, ${lane.changed} changed`,
      `${lane.name}: ${describe(lane.figures)}`,
      ...lane.faults.map((fault) => `${lane.name}: FAULT: ${fault}`),
    ]),
    `source: ${describe(source)}`,
    ...growthOf(source).map((fault) => `source: FAULT: ${fault}`),
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "2" },
      rate: { type: "string", default: "5000" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    },
  });
  const [minutes, rate, seed] = [Number(values.minutes), Number(values.rate), Number(values.seed)];
  if (!(minutes > 0) || !(rate > 0) || !Number.isSafeInteger(seed)) {
    console.error(USAGE);
    return 2;
  }
  console.log(`--minutes ${minutes} --rate ${rate} --seed ${seed}`);
  const report = await soak({
    ms: minutes * 60_000,
    rate,
    seed,
    disconnectEveryMs: 20_000,
    pauseEveryMs: 30_000,
    pauseMs: 5000,
    killEveryMs: 60_000,
    say: (text) => console.log(text),
  });
  const lines = reportLines(report);
  console.log(lines.join("\n"));
  return lines.some((line) => line.includes("FAULT")) ? 1 : 0;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
