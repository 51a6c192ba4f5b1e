/**
 * Events of a network that does not exist, as fast as a socket takes them. What event i is, and says, is a pure function of
 * (i, rng); its time decides its rkey and rev. The text is put together from pieces: building objects and calling
 * `JSON.stringify` would cost several times as much, and `--simulate` runs in the client's own process.
 *
 * @module
 */
import { createTimeTexts, mix, tid } from "./ids.ts";
import { commitMessage, type CommitParts, otherMessage } from "./messages.ts";
import { ACCOUNT, createDraw, createMix, DELETE, IDENTITY, LIKE, PROFILE, recordOf, UPDATE } from "./mix.ts";
import { createRecords } from "./records.ts";
import type { EventStore, Wants } from "./store.ts";
import { type EventTimes, fixedTimes, liveTimes } from "./times.ts";

/** Options of {@link generatedEvents}. */
export interface GeneratorOptions {
  /** The same number gives the same accounts, texts and mix. Default 1. */
  readonly rng?: number;
  /** Default 50,000. */
  readonly accounts?: number;
  /** `now`: an event gets its time when it is first sent. A number: microseconds since 1970, event i happened i * 500 later. */
  readonly epoch?: "now" | number;
  /** Collections besides the usual ones, 2 % of the events each (all together at most half); `x.y.*` makes `x.y.thing`. */
  readonly collections?: readonly string[];
  /** How many events there are; 0 or absent: no end. */
  readonly count?: number;
}

/**
 * How many events before it a deleted record was created. Multiples of three, and chosen by i modulo 3: so no two deletes
 * ever mean the same record.
 */
const DELETE_DISTANCES = [30, 300, 3000] as const;

/** A record is written some time before its commit, and that before the event. Microseconds. */
const CREATED_US = 400_000, RKEY_US = 350_000, REV_US = 20_000;

/** What the relay's own sequence numbers begin with. */
const RELAY_SEQ = 31_000_000_000;

/** The events of a simulated network. */
export function generatedEvents(options: GeneratorOptions = {}): EventStore {
  const { rng = 1, accounts = 50_000, epoch = "now", collections = [], count = 0 } = options;
  const times = epoch === "now" ? liveTimes() : fixedTimes(epoch);
  const write = createWriter(rng, accounts, collections, times);
  let sent = 0, newest = 0; // the last event that somebody was sent, that has a time
  return {
    last: count === 0 ? Infinity : count,
    live: () => sent + 1,
    seqOf: (position) => position,
    timeOf: (position) => epoch === "now" && newest === 0 ? undefined : times.timeOf(position),
    bySeq: (seq) => Math.max(1, seq),
    byTime: (time_us) => times.atOrAfter(time_us),
    sent: (position) => sent = Math.max(sent, position),
    newestSent: () => sent,
    read(position, wire, wants) {
      if (position > newest) times.fix(newest = position);
      return write(position, wire, wants);
    },
  };
}

/** Says what happens in event i: its slot, and the event whose record it is about (itself, unless it deletes). */
function createPlan(seed: number, names: readonly string[], bounds: readonly number[]) {
  const drawn = createDraw(seed, names, bounds);
  return (i: number): [slot: number, about: number] => {
    const slot = drawn(i);
    if (slot !== DELETE) return [slot, i];
    const created = i - DELETE_DISTANCES[i % 3]!;
    const what = created < 1 ? DELETE : drawn(created);
    return what < 0 ? [LIKE, i] : [what, created]; // a like where nothing was created that could be deleted
  };
}

/** Writes event i as text of a wire. */
function createWriter(
  rng: number,
  accounts: number,
  collections: readonly string[],
  times: EventTimes,
): EventStore["read"] {
  const records = createRecords(rng, accounts);
  const { names, bounds } = createMix(collections);
  const plan = createPlan(mix(rng, 2), names, bounds);
  const authorSeed = mix(rng, 3), seed = mix(rng, 4);
  const eventTime = createTimeTexts(), recordTime = createTimeTexts();

  const commitOf = (i: number, about: number, slot: number, collection: string, time: number): CommitParts => {
    const rkey = slot === UPDATE ? "self" : tid(times.timeOf(about) - RKEY_US, mix(about, seed));
    const rev = tid(time - REV_US, mix(i, seed + 1));
    if (about !== i) return { operation: "delete", collection, rkey, rev, record: "", cid: "" };
    const record = recordOf(records, collection, i, recordTime.millis(time - CREATED_US));
    return { operation: slot === UPDATE ? "update" : "create", collection, rkey, rev, record, cid: records.cid(i) };
  };
  const innerOf = (i: number, slot: number, author: number, did: string, time: number) => {
    const bits = mix(i, seed + 2), gone = slot === ACCOUNT && bits % 8 === 0;
    const active = slot === ACCOUNT ? `"active":${!gone},` : "";
    const handle = slot === IDENTITY && bits % 4 === 0 ? `"handle":"${records.handle(author)}",` : "";
    const status = gone ? `"status":"${bits % 16 === 0 ? "deactivated" : "deleted"}",` : "";
    const at = recordTime.millis(time - CREATED_US);
    return `{${active}"did":"${did}",${handle}"seq":${RELAY_SEQ + i},${status}"time":"${at}"}`;
  };

  return (i, wire, wants: Wants | undefined) => {
    const [slot, about] = plan(i);
    const author = mix(about, authorSeed) % accounts;
    const did = records.account(author);
    const kind = slot === IDENTITY ? "identity" : slot === ACCOUNT ? "account" : "commit";
    const collection = kind !== "commit" ? "" : slot === UPDATE ? PROFILE : names[slot]!;
    if (wants && !wants(kind, did, collection)) return undefined;
    const us = times.timeOf(i);
    const head = { wire, seq: i, did, time: wire === "v2" ? eventTime.rfc3339(us) : eventTime.micros(us) };
    return kind === "commit"
      ? commitMessage(head, commitOf(i, about, slot, collection, us))
      : otherMessage(head, kind, innerOf(i, slot, author, did, us));
  };
}
