/**
 * What `--validate` costs: loading the lexicons, and checking an event.
 *
 * @module
 */
import type { AtEvent } from "../../lib/atproto/event.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { parseV1 } from "../../lib/sources/jetstream/parse.ts";
import { createValidator, validateWith } from "../../lib/transforms/validate.ts";
import type { Bench, Case, Sample, Setting } from "./bench.ts";
import { measure } from "./measure.ts";

const ORIGIN = Object.freeze({ source: "jetstream", wire: "v1", host: "bench" } as const);
const EPOCH = Date.UTC(2026, 0, 1) * 1000;
const LIKES = "app.bsky.feed.like";
/** Distinct events; they are checked again and again. */
const DISTINCT = 10_000;
/** The first of them warms up. */
const SAMPLES = 6;

const SUBJECT = { type: "ref", ref: "com.atproto.repo.strongRef" };
/** The same as the built-in one. */
const LIKE = {
  lexicon: 1,
  id: LIKES,
  defs: {
    main: {
      type: "record",
      key: "tid",
      record: {
        type: "object",
        required: ["subject", "createdAt"],
        properties: { subject: SUBJECT, createdAt: { type: "string", format: "datetime" }, via: SUBJECT },
      },
    },
  },
};

function generated(keep: (event: AtEvent) => boolean): AtEvent[] {
  const store = generatedEvents({ epoch: EPOCH, accounts: 1_000_000 });
  const events: AtEvent[] = [];
  for (let position = 1; events.length < DISTINCT; position++) {
    const event = parseV1(store.read(position, "v1", undefined)!, ORIGIN) as AtEvent;
    if (keep(event)) events.push(event);
  }
  return events;
}

async function check(count: number, events: readonly AtEvent[], lexicons?: string): Promise<Sample[]> {
  const validate = validateWith<AtEvent>(await createValidator({ lexicons }), "warn");
  const samples: Sample[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    const sample = await measure(() => {
      for (let i = 0; i < count; i++) validate(events[i % events.length]!);
      return count;
    });
    if (n > 0) samples.push(sample);
  }
  return samples;
}

/** Writes the document for likes, and gives its folder. */
async function documents({ folder }: Setting): Promise<string> {
  const path = `${folder}/lexicons`;
  await Deno.mkdir(path, { recursive: true });
  await Deno.writeTextFile(`${path}/like.json`, JSON.stringify(LIKE));
  return path;
}

async function load(lexicons?: string): Promise<Sample[]> {
  const sample = await measure(async () => {
    await createValidator({ lexicons });
    return 1;
  });
  return [sample];
}

const isLike = (event: AtEvent) => event.kind === "commit" && event.commit.collection === LIKES;

const CASES: readonly Case[] = [
  { name: "load the built-in lexicons", goals: [{ figure: "ms", atMost: 150 }], run: () => load() },
  { name: "load a folder too", run: async (setting) => load(await documents(setting)) },
  { name: "all events", run: ({ events }) => check(events, generated(() => true)) },
  { name: "likes", run: ({ events }) => check(events, generated(isLike)) },
  {
    name: "likes, by a document",
    reference: "likes",
    run: async (setting) => check(setting.events, generated(isLike), await documents(setting)),
  },
];

/** `deno task bench validate` */
export const bench: Bench = {
  name: "validate",
  brief: "What --validate costs: to load, and an event",
  events: 500_000,
  rounds: 3,
  warmUps: 1,
  timeoutMs: 120_000,
  cases: () => CASES,
};
