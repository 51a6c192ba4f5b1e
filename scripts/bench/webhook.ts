/**
 * Jetstream to a receiver that answers at once: the library, with its durable queue, beside a loop that was written by hand.
 *
 * @module
 */
import { SINKS } from "../../lib/sinks/registry.ts";
import { webhookSink } from "../../lib/sinks/webhook.ts";
import type { Bench, Case, Load, Sample, Setting } from "./bench.ts";
import { readMessages } from "./jetstream_loop.ts";
import { transfer } from "./jetstream_pipeline.ts";
import { startServer } from "./load.ts";
import { measure } from "./measure.ts";

/** Requests side by side: the default. */
const CONCURRENCY = 8;
/** Requests of one event take so much longer that there are only so many. */
const SINGLE_SHARE = 0.1;

/** What a case is about. */
interface Post {
  /** Events of one request. */
  readonly size: number;
  readonly goal: number;
}

const POSTS: readonly Post[] = [
  { size: 500, goal: 100_000 },
  { size: 50, goal: 60_000 },
  { size: 1, goal: 5000 },
];

const countOf = ({ events }: Setting, size: number) => size === 1 ? Math.ceil(events * SINGLE_SHARE) : events;

/** Collects texts and sends them with `fetch`: nothing is kept, nothing is repeated, no account has an order. */
async function loop(load: Load, url: string, count: number, size: number): Promise<number> {
  const running = new Set<Promise<void>>();
  let texts: string[] = [], read = 0;
  const send = () => {
    const body = size === 1 ? texts[0]! : `[${texts.join(",")}]`;
    texts = [];
    const request: Promise<void> = fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })
      .then(async (response) => {
        await response.body?.cancel();
        if (!response.ok) throw new Error(`The receiver answered ${response.status}`);
      }).finally(() => running.delete(request));
    running.add(request);
  };
  await readMessages(load.url, (data, socket) => {
    texts.push(data.toString());
    if (texts.length === size) send();
    if (running.size >= CONCURRENCY) {
      socket.pause();
      void Promise.race(running).then(() => socket.resume());
    }
    return ++read >= count;
  });
  if (texts.length > 0) send();
  await Promise.all(running);
  return count;
}

/** The sink as the command opens it, until its queue is empty. */
async function pipeline(load: Load, url: string, count: number, size: number, folder: string): Promise<Sample> {
  const webhook = {
    file: `${folder}/${crypto.randomUUID()}.db`,
    url,
    allowPrivate: true,
    batch: size,
    concurrency: CONCURRENCY,
    deadLetter: () => Promise.reject(new Error("The receiver takes everything")),
  };
  const settings = { db: "", table: "events", indexes: [], retentionMs: undefined, out: "", webhook };
  const { size: batchSize, multiple: batchesPerWrite } = SINKS.webhook.grouping!(settings);
  await using sink = await webhookSink(webhook);
  return await measure(async () => {
    const read = await transfer({ load, sink, batchSize, batchesPerWrite, limit: count });
    await sink.drain();
    return read;
  });
}

function casesOf({ size, goal }: Post): Case[] {
  const name = `${size} a POST`;
  return [
    {
      name: `loop, ${name}`,
      run: async (setting) => [
        await measure(() => loop(setting.load!, setting.servers!.receiver!, countOf(setting, size), size)),
      ],
    },
    {
      name: `pipeline, ${name}`,
      reference: `loop, ${name}`,
      goals: [{ figure: "rate", atLeast: goal }],
      run: async (setting) => [
        await pipeline(setting.load!, setting.servers!.receiver!, countOf(setting, size), size, setting.folder),
      ],
    },
  ];
}

/** `deno task bench webhook` */
export const bench: Bench = {
  name: "webhook",
  brief: "Jetstream into a webhook: a durable queue, and requests of 500, 50 and 1 events",
  events: 400_000,
  rounds: 5,
  warmUps: 1,
  load: (events) => events,
  servers: async () => {
    const { offer, ...server } = await startServer<{ readonly url: string }>("webhook_server.ts", []);
    return { urls: { receiver: offer.url }, notes: [], ...server };
  },
  timeoutMs: 600_000,
  cases: () => POSTS.flatMap(casesOf),
};
