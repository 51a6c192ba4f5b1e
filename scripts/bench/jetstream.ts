/**
 * Jetstream into nothing and into SQLite: the library beside a loop that was written by hand.
 *
 * @module
 */
import { DEFAULT_INDEXES, type SqliteIndex } from "../../lib/sinks/sqlite.ts";
import type { Bench, Case, Goal, Setting } from "./bench.ts";
import { type LoopOptions, runLoop } from "./jetstream_loop.ts";
import { type PipelineCase, runCase } from "./jetstream_pipeline.ts";

const OVERHEAD: Goal = { figure: "ratio", atLeast: 0.85 };
const ZSTD: Goal = { figure: "rate", atLeast: 60_000 };
const PREFILTER: Goal = { figure: "rate", atLeast: 200_000 };

/** Which of the two runs, and with what. */
interface Row extends Omit<Case, "run">, Omit<LoopOptions & PipelineCase, "load" | "path"> {
  readonly by: typeof runLoop | typeof runCase;
  readonly into: "null" | "sqlite";
}

const ROWS: readonly Row[] = [
  { name: "loop -> null", by: runLoop, into: "null" },
  { name: "pipeline -> null", by: runCase, into: "null", reference: "loop -> null", goals: [OVERHEAD] },
  ...sqlite("no index", [], [{ figure: "rate", atLeast: 85_000 }, OVERHEAD]),
  ...sqlite("default indices", DEFAULT_INDEXES, [OVERHEAD]),
  ...filtered("null"),
  ...filtered("sqlite"),
];

/** With the default indices, as a user has them. */
const ZSTD_ROWS: readonly Row[] = [
  ...compressed("null", []),
  ...compressed("sqlite", [ZSTD, OVERHEAD]),
];

const INTO_SQLITE = { by: runCase, into: "sqlite", indexes: DEFAULT_INDEXES } as const;
const UNFILTERED = "pipeline -> sqlite";
const KEEPS_ALL = 'event.kind != "commit" || event.commit.collection.startsWith("app.")';

/** What it costs that events are looked at: all of them pass. */
const FILTER_ROWS: readonly Row[] = [
  { name: UNFILTERED, ...INTO_SQLITE },
  { name: "--where, two conditions", ...INTO_SQLITE, reference: UNFILTERED, where: KEEPS_ALL },
  { name: "--validate warn", ...INTO_SQLITE, reference: UNFILTERED, validate: true },
];

/** `rows`: the sink's own trick, given to the loop, shows what is left of the difference without it. */
function sqlite(what: string, indexes: readonly SqliteIndex[], goals: readonly Goal[]): Row[] {
  const reference = `loop -> sqlite, ${what}`;
  return [
    { name: reference, by: runLoop, into: "sqlite", indexes },
    { name: `${reference}, 10 rows an INSERT`, by: runLoop, into: "sqlite", indexes, rows: 10, reference },
    { name: `pipeline -> sqlite, ${what}`, by: runCase, into: "sqlite", indexes, reference, goals },
  ];
}

/** The loop has no prefilter: it parses every message. */
function filtered(into: "null" | "sqlite"): Row[] {
  const shared = { into, filter: true, indexes: DEFAULT_INDEXES } as const;
  const reference = `loop -> ${into}, 12 % pass, all parsed`;
  return [
    { name: reference, by: runLoop, ...shared },
    { name: `pipeline -> ${into}, 12 % pass, prefilter`, by: runCase, ...shared, reference, goals: [PREFILTER] },
  ];
}

function compressed(into: "null" | "sqlite", goals: readonly Goal[]): Row[] {
  const shared = { into, zstd: true, indexes: DEFAULT_INDEXES } as const;
  const reference = `loop -> ${into}, zstd`;
  const name = `pipeline -> ${into}, zstd`;
  return [
    { name: reference, by: runLoop, ...shared },
    { name, by: runCase, ...shared, reference, goals },
    {
      name: `${name}, 12 % pass`,
      by: runCase,
      ...shared,
      filter: true,
    },
  ];
}

async function runRow({ by, into, ...options }: Row, { load, folder }: Setting) {
  if (into === "null") return [await by({ ...options, load: load! })];
  const path = `${folder}/${crypto.randomUUID()}.db`;
  const sample = await by({ ...options, load: load!, path });
  await Deno.remove(path);
  return [sample];
}

function benchOf(name: string, brief: string, rows: readonly Row[]): Bench {
  return {
    name,
    brief,
    events: 300_000,
    rounds: 5,
    warmUps: 1,
    load: (events) => events,
    timeoutMs: 300_000,
    cases: () => rows.map((row) => ({ ...row, run: (setting) => runRow(row, setting) })),
  };
}

/** `deno task bench jetstream` */
export const bench = benchOf("jetstream", "Jetstream (uncompressed, v1 wire) into nothing and into SQLite", ROWS);
/** `deno task bench jetstream_zstd` */
export const zstdBench = benchOf("jetstream_zstd", "The same with compressed messages", ZSTD_ROWS);
/** `deno task bench jetstream_filters` */
export const filtersBench = benchOf("jetstream_filters", "What --where and --validate cost on the way", FILTER_ROWS);
