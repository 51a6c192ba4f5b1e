/**
 * `deno task bench [NAME] [--rounds N] [--events N] [--rows N,N,...] [--json]`: benchmarks. Nothing here is a test: a goal
 * that is missed is printed and no failure; the exit status is 1 when a case broke.
 *
 * @module
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { BENCHES } from "./registry.ts";
import { formatRows } from "./rows.ts";
import { type Report, runBench } from "./run.ts";

const USAGE = `Usage: deno task bench [NAME] [--rounds N] [--events N] [--rows N,N,...] [--json]

${BENCHES.map(({ name, brief }) => `  ${name.padEnd(14)} ${brief}`).join("\n")}`;

/** What `--json` prints, and `compare.ts` reads. */
export interface BenchFile {
  readonly date: string;
  readonly machine: string;
  readonly reports: readonly Report[];
}

function machine(): string {
  const cores = cpus();
  return `Deno ${Deno.version.deno}, ${cores.length} x ${cores[0]?.model.trim() ?? "?"}, ${Deno.build.target}`;
}

function printReport({ bench, notes, rows, broken }: Report): void {
  console.log(`\n${bench}`);
  for (const note of notes) console.log(note);
  if (rows.length > 0) console.log(formatRows(rows));
  for (const { case: name, error } of broken) console.log(`BROKEN ${name}: ${error}`);
}

function readOptions(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      events: { type: "string" },
      rows: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const number = (text: string, least: number) => {
    if (!/^\d+$/.test(text) || Number(text) < least) throw new Error(`Cannot use "${text}": it must be a number`);
    return Number(text);
  };
  const chosen = positionals.length === 0 ? BENCHES : BENCHES.filter(({ name }) => positionals.includes(name));
  const unknown = positionals.find((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown !== undefined) throw new Error(`Cannot run benchmark "${unknown}": there is none of that name`);
  const options = {
    rounds: values.rounds === undefined ? undefined : number(values.rounds, 1),
    events: values.events === undefined ? undefined : number(values.events, 1),
    rows: values.rows?.split(",").map((text) => number(text, 0)),
  };
  return { ...values, options, chosen };
}

async function main(): Promise<number> {
  let settings;
  try {
    settings = readOptions(Deno.args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (settings.help) {
    console.log(USAGE);
    return 0;
  }
  if (!settings.json) console.log(machine());
  const reports: Report[] = [];
  for (const bench of settings.chosen) {
    const report = await runBench(bench, settings.options, (text) => console.error(text));
    reports.push(report);
    if (!settings.json) printReport(report);
  }
  const file: BenchFile = { date: new Date().toISOString(), machine: machine(), reports };
  if (settings.json) console.log(JSON.stringify(file, undefined, 2));
  return reports.some(({ broken }) => broken.length > 0) ? 1 : 0;
}

if (import.meta.main) Deno.exitCode = await main();
