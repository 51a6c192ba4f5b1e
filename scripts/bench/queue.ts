/**
 * How quickly a queue is filled and worked off, and whether that depends on its length.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { AtEvent } from "../../lib/atproto/event.ts";
import { openQueue, type Queue, queueSink } from "../../lib/sinks/queue.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { parseV1 } from "../../lib/sources/jetstream/parse.ts";
import type { Bench, Sample, Setting } from "./bench.ts";
import { measure } from "./measure.ts";

const ORIGIN = Object.freeze({ source: "jetstream", wire: "v1", host: "bench" } as const);
const EPOCH = Date.UTC(2026, 0, 1) * 1000;
/** Records of one row, rows of one transaction: the defaults. */
const RECORDS = 100, ROWS = 25;
/** Rows of one take. */
const TAKE = 1000;

function eventsOf(count: number, from = 0): AtEvent[] {
  const store = generatedEvents({ epoch: EPOCH, accounts: 1_000_000 });
  return Array.from(
    { length: count },
    (_, i) => parseV1(store.read(from + i + 1, "v1", undefined)!, ORIGIN) as AtEvent,
  );
}

function batchesOf(events: readonly AtEvent[], size: number): AtEvent[][] {
  return Array.from({ length: Math.ceil(events.length / size) }, (_, i) => events.slice(i * size, (i + 1) * size));
}

const fileIn = (folder: string) => `${folder}/${crypto.randomUUID()}.db`;

/** What a program without leases, positions and metadata would do. */
async function plainLoop({ events, folder }: Setting): Promise<Sample[]> {
  using db = new DatabaseSync(fileIn(folder));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec("CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT, status TEXT DEFAULT 'pending')");
  db.exec("CREATE INDEX queue_pending ON queue(id) WHERE status = 'pending'");
  const insert = db.prepare("INSERT INTO queue (payload) VALUES (?)");
  const recordOf = ({ did, time_us, kind, ...rest }: AtEvent) => ({
    did,
    time_us: String(time_us),
    kind,
    commit_data: "commit" in rest ? rest.commit : null,
  });
  const batches = batchesOf(eventsOf(events), RECORDS * ROWS);
  return [
    await measure(() => {
      for (const batch of batches) {
        db.exec("BEGIN IMMEDIATE");
        for (const row of batchesOf(batch, RECORDS)) insert.run(JSON.stringify(row.map(recordOf)));
        db.exec("COMMIT");
      }
      return events;
    }),
  ];
}

/** The sink, given batches as the pipeline does under load. */
async function enqueue({ events, folder }: Setting): Promise<Sample[]> {
  await using sink = await queueSink({ file: fileIn(folder), batchSize: RECORDS });
  const { signal } = new AbortController();
  const batches = batchesOf(eventsOf(events), RECORDS * ROWS);
  return [
    await measure(async () => {
      for (const [i, items] of batches.entries()) {
        await sink.write({ items, cursor: String(i), key: "bench" }, { signal });
      }
      return events;
    }),
  ];
}

/** Takes and acknowledges until nothing is left. `items`: records. */
async function workOff({ events, folder }: Setting, records: number): Promise<Sample[]> {
  await using queue = await openQueue(fileIn(folder), { create: true, batchSize: records });
  for (const batch of batchesOf(eventsOf(events), 5000)) await queue.put(batch);
  return [
    await measure(async () => {
      while (await takeOnce(queue) > 0);
      return events;
    }),
  ];
}

async function takeOnce(queue: Queue): Promise<number> {
  const rows = await queue.take({ count: TAKE });
  await queue.ack(rows.map(({ receipt }) => receipt));
  return rows.length;
}

/** `deno task bench queue` */
export const bench: Bench = {
  name: "queue",
  brief: "Records into a queue, and rows taken from it and acknowledged 1,000 at a time",
  events: 50_000,
  rounds: 5,
  warmUps: 1,
  timeoutMs: 600_000,
  cases: () => [
    { name: "put, plain loop", run: plainLoop },
    { name: "put", reference: "put, plain loop", goals: [{ figure: "rate", atLeast: 100_000 }], run: enqueue },
    {
      name: "take + ack, rows of 100 records",
      goals: [{ figure: "rate", atLeast: 60_000 }],
      run: (setting) => workOff(setting, RECORDS),
    },
    { name: "take + ack, rows of one record", run: (setting) => workOff(setting, 1) },
  ],
};

const PARTS = 10;

/** Rows of one part of what lies between two shares. */
const partOf = (total: number, from: number, to: number) => Math.round(total * (to - from) / PARTS);

/** Puts rows of one record until there are `rows` of them; those from `measured` on are measured, in parts. */
async function fill({ events: total, folder }: Setting, from: number, to: number): Promise<Sample[]> {
  await using queue = await openQueue(`${folder}/growth.db`, { create: true, batchSize: 1 });
  const put = async (events: readonly AtEvent[]) => {
    for (const batch of batchesOf(events, TAKE)) await queue.put(batch);
    return events.length;
  };
  for (let rows = queue.length(); rows < total * from; rows += TAKE) await put(eventsOf(TAKE, rows));
  return await inParts(partOf(total, from, to), async (count, part) => {
    const events = eventsOf(count, total * from + part * count);
    return await measure(() => put(events));
  });
}

/** Works off the same queue; what comes between the shares `from` and `to` of its rows is measured, in parts. */
async function drain({ events: total, folder }: Setting, from: number, to: number): Promise<Sample[]> {
  await using queue = await openQueue(`${folder}/growth.db`);
  let taken = total - (await queue.stats()).rows.pending;
  for (let rows = TAKE; taken < total * from && rows > 0;) taken += rows = await takeOnce(queue);
  return await inParts(partOf(total, from, to), (count) =>
    measure(async () => {
      let done = 0, rows = TAKE;
      while (done < count && rows > 0) done += rows = await takeOnce(queue);
      return done;
    }));
}

/** Memory is left out: nearly all of it is that of the made-up events. */
async function inParts(count: number, run: (count: number, part: number) => Promise<Sample>): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let part = 0; part < PARTS; part++) {
    const { peakRss: _, ...sample } = await run(count, part);
    samples.push(sample);
  }
  return samples;
}

/** A row may take a fifth longer. */
const asQuick = (reference: string) => ({ reference, goals: [{ figure: "ratio", atLeast: 0.84 }] as const });

/** `deno task bench queue_growth` */
export const growthBench: Bench = {
  name: "queue_growth",
  brief: "The cost of a row at the start and at the end of filling and working off a long queue",
  events: 1_000_000,
  rounds: 1,
  warmUps: 0,
  timeoutMs: 3600_000,
  cases: () => [
    { name: "put, first tenth", run: (setting) => fill(setting, 0, 0.1) },
    { name: "put, last tenth", ...asQuick("put, first tenth"), run: (setting) => fill(setting, 0.9, 1) },
    { name: "take + ack, first tenth", run: (setting) => drain(setting, 0, 0.1) },
    { name: "take + ack, last tenth", ...asQuick("take + ack, first tenth"), run: (setting) => drain(setting, 0.9, 1) },
  ],
};
