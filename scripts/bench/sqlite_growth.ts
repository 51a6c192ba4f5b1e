/**
 * What an event costs in a database that holds many already.
 *
 * @module
 */
import type { AtEvent } from "../../lib/atproto/event.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { parseV1 } from "../../lib/sources/jetstream/parse.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import type { Bench, Sample, Setting } from "./bench.ts";
import { measure } from "./measure.ts";

/** About 0.7 kB a row: 5 M rows take 4 GB. */
const DEFAULT_ROWS: readonly number[] = [0, 1_000_000, 5_000_000];
const TRANSACTION = 1000;
/** The first of them warms up. */
const SAMPLES = 11;
const ORIGIN = Object.freeze({ source: "jetstream", wire: "v1", host: "bench" } as const);
const EPOCH = Date.UTC(2026, 0, 1) * 1000;

/** Fills the file of this run up to `rows`, then measures. */
async function run(rows: number, { events, folder }: Setting): Promise<Sample[]> {
  const path = `${folder}/growth.db`;
  const store = generatedEvents({ epoch: EPOCH, accounts: 1_000_000 });
  await using sink = await sqliteSink({ path });
  let position = Number(await sink.checkpoints.load("bench") ?? 0);
  const next = (count: number) =>
    Array.from({ length: count }, () => parseV1(store.read(++position, "v1", undefined)!, ORIGIN) as AtEvent);
  const { signal } = new AbortController();
  const write = (items: readonly AtEvent[]) =>
    sink.write({ items, cursor: String(position), key: "bench" }, { signal });

  while (position < rows) await write(next(Math.min(TRANSACTION, rows - position)));
  const samples: Sample[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    const batches = Array.from({ length: Math.ceil(events / TRANSACTION) }, () => next(TRANSACTION));
    // Memory is left out: nearly all of it is that of the made-up events.
    const { peakRss: _, ...sample } = await measure(async () => {
      for (const batch of batches) await write(batch);
      return batches.length * TRANSACTION;
    });
    if (n > 0) samples.push(sample);
  }
  return samples;
}

const nameOf = (rows: number) => `${rows.toLocaleString("en")} rows`;

/** `deno task bench sqlite_growth` */
export const bench: Bench = {
  name: "sqlite_growth",
  brief: "The cost of an event in a large database, default indices; --rows 0,1000000,...: how large",
  events: 20_000,
  rounds: 1,
  warmUps: 0,
  timeoutMs: 4 * 3600_000,
  cases: ({ rows = DEFAULT_ROWS }) =>
    rows.map((count) => ({
      name: nameOf(count),
      ...(count !== rows[0] && { reference: nameOf(rows[0]!), goals: [{ figure: "ratio", atLeast: 0.85 }] as const }),
      run: (setting) => run(count, setting),
    })),
};
