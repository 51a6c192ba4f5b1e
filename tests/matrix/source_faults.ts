/**
 * What goes wrong with what is read; the run outlives it, or says why not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { captureLog, type LogRecords } from "../support/log_records.ts";
import { until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { inFolder } from "../support/temp.ts";
import { countOf, numbers, numbersIn } from "./events.ts";
import { assertSettled, type Figures } from "./figures.ts";
import { startLocker } from "./locker.ts";
import { type Process, type Running, startHere, startProcess } from "./program.ts";
import type { SinkSpec } from "./sinks.ts";
import type { Behaviour, SourcePlace, SourceSpec } from "./sources.ts";
import { deadIn, findSummary } from "./world.ts";

/** A fault of the matrix. */
export interface SourceFault {
  readonly name: string;
  /** Why it cannot happen to a source; undefined: it can. */
  never(spec: SourceSpec, sink: SinkSpec): string | undefined;
  /** Lets it happen, into a sink; answers what was counted. */
  run(spec: SourceSpec, sink: SinkSpec): Promise<Figures>;
}

/** What a fault works with. */
interface Reading {
  readonly spec: SourceSpec;
  readonly source: SourcePlace;
  readonly log: LogRecords;
  /** Begins a run that ends with the last number. */
  start(): Running;
  /** Begins one in a process of its own that goes on. */
  spawn(): Process;
  /** The numbers that a run has left in the sink; undefined: it forgets. */
  found(run: Pick<Running, "stdout">): Promise<number[] | undefined>;
}

/** How a fault ends. */
interface Outcome {
  readonly run: Running;
  /** The exit statuses that it may have. Default: the one of a run with dead letters. */
  readonly exits?: readonly number[];
  /** What is in the sink is no more than the beginning. */
  readonly partial?: boolean;
  /** Others ran before it: what it counted is not all. */
  readonly again?: boolean;
  /** What must have been said. */
  readonly says?: RegExp;
}

const LAST = 200;

/** Makes a fault: what the server does, and what happens meanwhile. */
function fault(
  name: string,
  never: SourceFault["never"],
  behaviour: Behaviour,
  work: (reading: Reading) => Promise<Outcome>,
): SourceFault {
  return {
    name,
    never,
    async run(spec, sinkSpec) {
      return await inFolder(async (folder) => {
        await using resources = new AsyncDisposableStack();
        const source = await spec.open(folder, resources, { last: LAST, behaviour });
        const sink = await sinkSpec.open(folder, resources);
        const log = resources.use(await captureLog());
        const keepsItself = spec.from === "redis" || spec.from === "queue";
        const args = [
          ...[
            ...source.args,
            // A queue that is read and one that is written to are in the same folder.
            ...sinkSpec.makesFolder ? [] : source.folder ?? [],
            ...sink.args,
            ...keepsItself ? [] : sink.state ?? [],
            "--where",
            source.where,
            "--max-dead-ratio",
            "1",
            "--json",
          ],
          ...["--batch-size", "20", "--batch-timeout", "20ms", "--checkpoint-interval", "20ms"],
          ...["--dead-letter", `${folder}/dead.ndjson`],
        ];
        const begin = sinkSpec.into === "pipe" ? startProcess : startHere;
        const start = () => resources.use(begin([...args, ...source.whole ?? []], folder, source.env));
        const spawn = () => resources.use(startProcess(args, folder, source.env));
        const found = async ({ stdout }: Pick<Running, "stdout">) =>
          sinkSpec.into === "pipe" ? numbersIn(stdout) : await sink.read?.();
        const outcome = await work({ spec, source, log, start, spawn, found });
        return await check({ folder, spec, source, log, found }, outcome);
      });
    },
  };
}

/** Everything is where it belongs, or the run has ended before and said why. */
async function check(
  { folder, spec, source, log, found: find }: Pick<Reading, "spec" | "source" | "log" | "found"> & {
    readonly folder: string;
  },
  { run, exits = [spec.endless ? 0 : 3], partial = false, again = false, says }: Outcome,
): Promise<Figures> {
  const end = await run.ended;
  assert(exits.includes(end.code), [`exit ${end.code}`, ...end.stderr, ...log.lines].slice(-8).join("\n"));
  const found = await find(end), due = numbers(LAST, "written");
  // Whatever has an order of its own has each number once.
  const once = found?.toSorted((a, b) => a - b);
  if (once) assert.deepEqual(once, partial ? due.slice(0, once.length) : due);
  const said = [...log.lines, ...end.stderr];
  const counted = { sent: LAST, written: found?.length, exit: end.code, said };
  if (says) assert.match(said.join("\n"), says);
  const summary = findSummary(end);
  if (!summary) return { ...counted, dead: 0, filtered: 0, duplicate: 0, position: undefined };
  assertSettled(summary);
  const { filtered, duplicates, cursor } = summary;
  const dead = await source.dead?.() ?? deadIn({ folder }).size;
  const position = cursor === null ? undefined : spec.position(cursor, LAST);
  if (!partial) assert.equal(dead, countOf(LAST, "dead"));
  if (!partial && !again) {
    assert.equal(summary.written, due.length);
    assert(filtered >= countOf(LAST, "filtered"), "what is sent again is filtered again");
  }
  if (!partial && position !== undefined) assert.equal(position, LAST);
  return { ...counted, dead, filtered, duplicate: duplicates, position };
}

/** Lets a run come to its end; one that has none is stopped when everything is there. */
async function toTheEnd(reading: Reading, run: Running): Promise<Outcome> {
  return reading.spec.endless ? await stopped(reading, run) : { run };
}

/** Stops a run when everything is there. */
async function stopped({ found }: Reading, run: Running): Promise<Outcome> {
  const due = countOf(LAST, "written"), deadline = Date.now() + 60_000;
  while (!run.over && (await found(run))!.length < due) {
    assert(Date.now() < deadline, "Waited a minute for the last event");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  run.stop();
  return { run, exits: [0] };
}

const plain = async (reading: Reading) => await toTheEnd(reading, reading.start());

const only = (...from: readonly SourceSpec["from"][]): SourceFault["never"] => (spec) =>
  from.includes(spec.from) ? undefined : `it reads ${WHAT[spec.from]}`;
const WHAT: Readonly<Record<SourceSpec["from"], string>> = {
  socket: "a WebSocket",
  pages: "pages over HTTP",
  bucket: "files of a bucket",
  redis: "streams of Redis",
  queue: "a queue's file",
  files: "files",
};

/** Waits until something is there; a run that is over before it fails. */
async function arrived({ found }: Reading, run: Running, least: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await found(run))!.length < least) {
    assert(!run.over && Date.now() < deadline, `${least} events did not arrive`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a run says that something is wrong. */
async function noticed({ log }: Reading, run: Running): Promise<void> {
  const complaints = () => log.lines.filter((line) => /^(warning|error)|Nothing from/.test(line)).length;
  const before = complaints();
  await until(() => complaints() > before || run.over, "a warning");
  assert(!run.over, run.stderr.slice(-5).join("\n"));
}

/** How often a process is killed, and within how many milliseconds after it has brought something. */
const KILLS = 3, WITHIN_MS = 120;

const KILLED = fault(
  "kill -9 at random moments",
  ({ from }) =>
    from === "files" || from === "bucket" || from === "queue"
      ? "tests/megastream, tests/crash have it: it is too fast here"
      : undefined,
  { rate: 200 },
  async (reading) => {
    const { source, spec, found, spawn } = reading;
    const random = randomFrom(startNumber("kill -9 in the matrix"));
    if (spec.from !== "socket") source.proxy!.bytesPerSecond = 20_000;
    for (let kill = 0; kill < KILLS; kill++) {
      const process = spawn(), before = (await found(process))!.length;
      await arrived(reading, process, before + 1);
      const timer = setTimeout(() => process.kill("SIGKILL"), random() * WITHIN_MS);
      await process.ended;
      clearTimeout(timer);
    }
    source.proxy!.bytesPerSecond = Infinity;
    const last = spawn();
    // A list ends by itself.
    const outcome = spec.from === "pages" ? { run: last, exits: [0, 3] } : await stopped(reading, last);
    return { ...outcome, again: true };
  },
);

const CLOSES = [1000, 1001, 1006, 1011].map((closeCode) =>
  fault(
    `upstream closes with ${closeCode}`,
    only("socket"),
    { connection: (n) => n < 3 ? { closeAfter: 50, closeCode } : {} },
    plain,
  )
);

const REFUSALS = [429, 503].map((status) => {
  const faulty = { status, ...(status === 429 && { retryAfter: 1 }) };
  return fault(
    `upstream answers ${status}`,
    only("socket", "pages", "bucket"),
    {
      connection: (n) => n === 1 ? { refuse: status, ...(status === 429 && { retryAfter: 1 }) } : {},
      request: (n) => n === 2 ? faulty : undefined,
    },
    plain,
  );
});

const HOPELESS = [400, 404].map((status) =>
  fault(
    `upstream answers ${status}`,
    only("socket", "pages", "bucket"),
    {
      connection: () => ({ refuse: status, refuseMessage: "words of the server" }),
      request: () => ({ status, body: "words of the server" }),
    },
    async ({ start }) => {
      const run = start();
      await run.ended;
      return { run, exits: [2], partial: true, says: /words of the server/ };
    },
  )
);

const CONNECTIONS = [
  fault("upstream refuses connections", only("socket", "pages", "bucket", "redis"), {}, async (reading) => {
    const { proxy } = reading.source;
    proxy!.refuse();
    const run = reading.start();
    await noticed(reading, run);
    await proxy!.accept();
    return await toTheEnd(reading, run);
  }),
  fault("upstream resets", only("socket", "redis"), { rate: 500 }, async (reading) => {
    const { proxy } = reading.source;
    if (reading.spec.from === "redis") proxy!.bytesPerSecond = 50_000;
    const run = reading.start();
    for (const least of [20, 80]) {
      await arrived(reading, run, least);
      proxy!.resetAll();
    }
    proxy!.bytesPerSecond = Infinity;
    return await toTheEnd(reading, run);
  }),
  fault("upstream cuts an answer short", only("pages", "bucket"), {
    request: (n) => n === 2 || n === 5 ? { cutAfter: 100 } : undefined,
  }, plain),
  fault("upstream falls silent", only("socket"), {
    connection: (n) => n === 1 ? { silent: true } : n === 2 ? { stallAfter: 50 } : {},
  }, plain),
  fault("upstream stalls in the middle of a frame", only("socket"), { rate: 500 }, async (reading) => {
    const { proxy } = reading.source;
    // The bytes of a tick end anywhere.
    proxy!.bytesPerSecond = 40_000;
    const run = reading.start();
    await arrived(reading, run, 20);
    proxy!.stall();
    await noticed(reading, run);
    proxy!.bytesPerSecond = Infinity;
    proxy!.resetAll();
    proxy!.resume();
    return await toTheEnd(reading, run);
  }),
  fault("upstream sends everything again", only("socket"), {
    connection: (n) => n === 1 ? { closeAfter: 50 } : n === 2 ? { startAt: 1 } : {},
  }, async (reading) => {
    if (reading.spec.anew === "recognised") return await plain(reading);
    const run = reading.start();
    await run.ended;
    return { run, exits: [2], partial: true, says: /Gap: seq_regression.*[^]*its numbers began anew/ };
  }),
  fault("upstream goes backwards", ({ anew }) => anew === "refused" ? undefined : "it has no numbers of a relay", {
    connection: () => ({ goBack: { after: 50, by: 20 } }),
  }, plain),
  fault("upstream repeats a page", only("pages"), {
    request: (n) => n === 3 ? { status: 200, body: JSON.stringify({ repos: [], cursor: "40" }) } : undefined,
  }, plain),
  fault("upstream is gone, another host has the rest", ({ hosts }) => hosts ? undefined : "it has one host", {
    connection: (n) => n === 1 ? { closeAfter: 50 } : { refuse: 503 },
    twoHosts: true,
  }, plain),
];

/** Another host stands in where there may be one; else a name is asked for again, and a certificate is the user's to trust. */
const UNREACHABLE = ([
  ["upstream's name is unknown", "unknown", /nowhere\.invalid/],
  ["upstream's certificate is not trusted", "untrusted", /certificate/i],
] as const).map(([name, unreachable, says]) =>
  fault(name, only("socket", "pages", "bucket", "redis"), { unreachable, twoHosts: true }, async (reading) => {
    const run = reading.start();
    if (reading.spec.hosts) return { ...await toTheEnd(reading, run), says };
    const refused = unreachable === "untrusted";
    if (refused) await run.ended;
    else {
      await noticed(reading, run);
      run.stop();
    }
    return { run, exits: [refused ? 2 : 0], partial: true, says };
  })
);

const FILES = [
  fault("file locked by another program", only("queue"), {}, async (reading) => {
    await using other = await startLocker(reading.source.file!, 700);
    await other.lock();
    return await plain(reading);
  }),
  fault("file cut short", only("files"), {}, async ({ source, start }) => {
    Deno.truncateSync(source.file!, Math.floor(Deno.statSync(source.file!).size / 2));
    const run = start();
    await run.ended;
    return { run, partial: true };
  }),
  fault("file is garbage", only("files"), {}, async ({ source, start }) => {
    Deno.writeFileSync(source.file!, Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251));
    const run = start();
    await run.ended;
    return { run, exits: [2, 3], partial: true, says: /Cannot (read|replay) / };
  }),
];

/** Nothing goes wrong: any source, into any sink. */
export const CALM: SourceFault = fault(
  "none",
  ({ endless, noRecords }, { into, needs }) => {
    if (endless && into === "nothing") return "nobody can tell when it is done";
    return noRecords && needs.includes("elasticsearch") ? "Elasticsearch has documents of records only" : undefined;
  },
  {},
  plain,
);

/** All of them. */
export const SOURCE_FAULTS: readonly SourceFault[] = [
  KILLED,
  ...CLOSES,
  ...CONNECTIONS,
  ...REFUSALS,
  ...HOPELESS,
  ...UNREACHABLE,
  ...FILES,
];
