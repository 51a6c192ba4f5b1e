/**
 * Events of a network that does not exist, as fast as a socket takes them. What event i is, and says, is a pure function of
 * (i, rng); its time decides its rkey and rev. The text is put together from pieces: building objects and calling
 * `JSON.stringify` would cost several times as much, and `--simulate` runs in the client's own process.
 *
 * @module
 */
import { createTimeTexts, mix, tid } from "./ids.ts";
import { createRecords } from "./records.ts";
import type { EventStore, Wants, Wire } from "./store.ts";
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

/** Shares of the events in 1/10,000, the rest are creates. Measured on real streams. */
const SHARES = { delete: 320, update: 130, identity: 70, account: 70 };
/** The usual collections, and how often each of them is created. */
const USUAL = [
  ["app.bsky.feed.like", 6900],
  ["app.bsky.feed.post", 1200],
  ["app.bsky.feed.repost", 1000],
  ["app.bsky.graph.follow", 600],
  ["app.bsky.graph.block", 30],
] as const;
const PROFILE = "app.bsky.actor.profile";
/**
 * How many events before it a deleted record was created. Multiples of three, and chosen by i modulo 3: so no two deletes
 * ever mean the same record.
 */
const DELETE_DISTANCES = [30, 300, 3000] as const;

/** A record is written some time before its commit, and that before the event. Microseconds. */
const CREATED_US = 400_000, RKEY_US = 350_000, REV_US = 20_000;

/** What happens in event i: the index of a created collection, or one of these. */
const DELETE = -1, UPDATE = -2, IDENTITY = -3, ACCOUNT = -4;

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
    read(position, wire, wants) {
      if (position > newest) times.fix(newest = position);
      return write(position, wire, wants);
    },
  };
}

/** Which collections are created, and how often, as upper bounds of 32-bit numbers. */
function createMix(collections: readonly string[]) {
  const usual = USUAL.map(([name]) => name as string);
  const named = collections.map((c) => c.endsWith(".*") ? `${c.slice(0, -1)}thing` : c);
  const extra = [...new Set(named)].filter((c) => !usual.includes(c) && c !== PROFILE);
  const special = [SHARES.delete, SHARES.update, SHARES.identity, SHARES.account];
  const each = Math.min(200, 5000 / Math.max(1, extra.length));
  const left = 10_000 - special.reduce((a, b) => a + b) - each * extra.length;
  const whole = USUAL.reduce((sum, [, share]) => sum + share, 0);
  const shares = [...USUAL.map(([, share]) => left * share / whole), ...extra.map(() => each), ...special];
  let sum = 0;
  const bounds = shares.map((share) => Math.min(2 ** 32, Math.ceil((sum += share) / 10_000 * 2 ** 32)));
  bounds[bounds.length - 1] = 2 ** 32;
  return { names: [...usual, ...extra], bounds };
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
  const seed = mix(rng, 2), accountSeed = mix(rng, 3);
  const eventTime = createTimeTexts(), recordTime = createTimeTexts();

  const slotOf = (i: number) => {
    const bits = mix(i, seed);
    let slot = 0;
    while (bits >= bounds[slot]!) slot++;
    return slot < names.length ? slot : names.length - 1 - slot;
  };
  const authorOf = (i: number) => mix(i, accountSeed) % accounts;
  const rkeyOf = (i: number) => tid(times.timeOf(i) - RKEY_US, mix(i, seed + 1));

  const recordOf = (slot: number, i: number, time: number) => {
    const createdAt = recordTime.millis(time - CREATED_US);
    if (slot === 0) return records.like(i, createdAt);
    if (slot === 1) return records.post(i, createdAt);
    if (slot === 2) return records.repost(i, createdAt);
    if (slot === UPDATE) return records.profile(i, createdAt);
    return slot < USUAL.length
      ? records.towards(names[slot]!, i, createdAt)
      : records.thing(names[slot]!, i, createdAt);
  };

  /** The text after the collection filter; `did`'s own part is the same for all kinds. */
  const commit = (i: number, wire: Wire, slot: number, target: number, did: string, collection: string) => {
    const time = times.timeOf(i);
    const deletes = target !== i;
    const rkey = slot === UPDATE ? "self" : rkeyOf(target);
    const rev = tid(time - REV_US, mix(i, seed + 2));
    const operation = deletes ? "delete" : slot === UPDATE ? "update" : "create";
    const record = deletes ? "" : `"record":${recordOf(slot, i, time)},`;
    const cid = deletes ? "" : records.cid(i);
    if (wire === "v2") {
      return `{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit",${
        deletes ? "" : `"cid":"${cid}",`
      }"collection":"${collection}","did":"${did}","operation":"${operation}",${record}"rev":"${rev}","rkey":"${rkey}","seq":${i},"time":"${
        eventTime.rfc3339(time)
      }"}}`;
    }
    const head = `{"did":"${did}","time_us":${eventTime.micros(time)},${wire === "v1" ? `"cursor":${i},` : ""}`;
    const body =
      `"kind":"commit","commit":{"rev":"${rev}","operation":"${operation}","collection":"${collection}","rkey":"${rkey}"`;
    return deletes ? `${head}${body}}}` : `${head}${body},${record}"cid":"${cid}"}}`;
  };

  /** Identity and account events. */
  const other = (i: number, wire: Wire, kind: "identity" | "account", author: number, did: string) => {
    const time = times.timeOf(i);
    const bits = mix(i, seed + 3);
    const handle = kind === "identity" && bits % 4 === 0 ? `"handle":"${records.handle(author)}",` : "";
    const active = kind === "account" ? `"active":${bits % 8 !== 0},` : "";
    const status = kind === "account" && bits % 8 === 0
      ? `"status":"${bits % 16 === 0 ? "deactivated" : "deleted"}",`
      : "";
    const inner = `{${active}"did":"${did}",${handle}"seq":${RELAY_SEQ + i},${status}"time":"${
      recordTime.millis(time - CREATED_US)
    }"}`;
    if (wire === "v2") {
      const type = `"$type":"network.bsky.jetstream.subscribeEvents#${kind}"`;
      const [first, second] = kind === "account" ? [`"account":${inner}`, `"did":"${did}"`] : [
        `"did":"${did}"`,
        `"identity":${inner}`,
      ];
      return `{"$type":"message","payload":{${type},${first},${second},"seq":${i},"time":"${
        eventTime.rfc3339(time)
      }"}}`;
    }
    const head = `{"did":"${did}","time_us":${eventTime.micros(time)},${wire === "v1" ? `"cursor":${i},` : ""}`;
    return `${head}"kind":"${kind}","${kind}":${inner}}`;
  };

  return (i, wire, wants: Wants | undefined) => {
    let slot = slotOf(i), target = i;
    if (slot === DELETE) {
      const created = i - DELETE_DISTANCES[i % 3]!;
      const what = created < 1 ? DELETE : slotOf(created);
      if (what < 0) slot = 0; // nothing to delete there: a like
      else [slot, target] = [what, created];
    }
    const author = authorOf(target);
    const did = records.account(author);
    if (slot === IDENTITY || slot === ACCOUNT) {
      const kind = slot === IDENTITY ? "identity" : "account";
      return wants && !wants(kind, did, "") ? undefined : other(i, wire, kind, author, did);
    }
    const collection = slot === UPDATE ? PROFILE : names[slot]!;
    return wants && !wants("commit", did, collection) ? undefined : commit(i, wire, slot, target, did, collection);
  };
}

/** What the relay's own sequence numbers begin with. */
const RELAY_SEQ = 31_000_000_000;
