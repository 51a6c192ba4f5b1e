/**
 * Several Jetstream hosts read side by side, one copy of each event kept: what one host lacks comes from another.
 *
 * @module
 */
import { type AtEvent, dedupeKey } from "../../atproto/event.ts";
import type { Batch, Cursor } from "../../pipeline/batch.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { batchStream, type OpenOptions, type SourceStats } from "../../pipeline/source.ts";
import { KeyWindow } from "../merge/key_window.ts";
import type { Lane } from "../merge/lane.ts";
import { mergeLanes, type MergeOptions } from "../merge/merge.ts";
import { type HostFigures, Tally } from "../merge/tally.ts";
import { collectionsOf, jetstream, type JetstreamSource, resuming } from "./jetstream.ts";
import { type JetstreamOptions, makePlan, type Plan } from "./options.ts";
import { formatPosition, parsePosition, type Position } from "./position.ts";
import { hashOfKey } from "./memory.ts";
import { loadPositions, type Positions, refill, rememberedBy, Sealer } from "./race_positions.ts";
import { DEFAULT_INSTANCES, endpointOf, MICROSECONDS_FROM } from "./url.ts";

/** Options of {@link jetstreamRace}: all hosts of `instances` are read, `url` names only one. */
export interface JetstreamRaceOptions extends JetstreamOptions {
  /** Keys by which copies are recognised, at most. @default {500000} */
  readonly windowKeys?: number;
  /** Event time in which copies are recognised, in milliseconds. @default {300000} */
  readonly windowMs?: number;
  /** An event that came from one host alone for so long counts as only there, in milliseconds. @default {60000} */
  readonly aloneMs?: number;
  /** A host that does not answer for so long is not waited for, in milliseconds. @default {10000} */
  readonly patienceMs?: number;
}

/** A Jetstream of several hosts at once; the position of each is kept under `KEY:HOST`, one for all under `KEY`. */
export interface JetstreamRace extends JetstreamSource {
  /** Sums over all hosts; `connected`: all of them are. */
  readonly stats: SourceStats & { readonly race: Readonly<Record<string, Readonly<HostFigures>>> };
}

const GAP = { source: "jetstream", unit: "us", reason: "race_behind", state: "open" } as const;

/** What makes events of several Jetstream hosts the same, and what is missing of a host. */
const SAME_EVENT: Pick<MergeOptions<AtEvent>, "keyOf" | "timeOf" | "reachedBy" | "gapOf"> = {
  keyOf: dedupeKey,
  timeOf: ({ time_us }) => time_us,
  reachedBy: ({ cursor }) => cursor === undefined ? undefined : parsePosition(cursor).time_us,
  gapOf: (host, from, to) => ({ ...GAP, host, from, to }),
};

/** A host, and the source that reads it: another one each time that it is opened anew. */
interface Racer {
  readonly host: string;
  readonly key: string;
  /** The host as the user named it. */
  readonly instance: string;
  readonly sources: JetstreamSource[];
}

/**
 * Events of several Jetstream servers at once, from a position of its own on each, for ever or until `options.end` has come
 * on all. A server that fails is dialled again; one that refuses for good is left out while another one lives.
 *
 * The first copy of an event is kept, by its `dedupeKey`. After a restart copies are known by what the sink recalls, or by
 * hashes in the positions; a sink that commits positions itself must recall.
 *
 * @throws {ConfigError} with every fault of the options, or for less than two hosts.
 */
export function jetstreamRace(options: JetstreamRaceOptions = {}): JetstreamRace {
  const plan = makePlan(options);
  const racers = racersOf(plan, options);
  if (racers.length < 2) {
    throw new ConfigError("Cannot race with one host: name at least two instances");
  }
  const { windowKeys: most = 500_000, windowMs = 300_000, aloneMs = 60_000, now = Date.now } = options;
  const tally = new Tally({ hosts: racers.map(({ host }) => host), aloneMs, now });
  let sealer: Sealer | undefined;
  let told = { plan, options };

  async function* batches(open: OpenOptions<AtEvent>, stop: AbortSignal): AsyncGenerator<Batch<AtEvent>, void> {
    const { plan, options } = told;
    told = { plan: resuming(plan), options: withoutBeginning(options) };
    const window = new KeyWindow({ most, spanUs: windowMs * 1000 });
    const start = await prepare({ plan, racers, open, window, most, now });
    sealer = open.recall ? undefined : start.sealer;
    const lanes = racers.map((racer) => laneOf(racer, { plan, options, open, window, start, now }));
    const { patienceMs } = options;
    try {
      yield* mergeLanes({
        ...{ ...SAME_EVENT, ...countedBy(tally, racers), lanes, window },
        ...(start.known && { known: start.known }),
        common: { key: plan.key, cursorAt: commonCursor },
        ...(sealer && { mark }),
        ...(patienceMs !== undefined && { patienceMs }),
      }, stop);
    } finally {
      tally.tell();
    }
  }

  return {
    key: plan.key,
    hosts: racers.map(({ host }) => host),
    collections: collectionsOf(plan),
    stats: statsOf(racers, tally),
    open: (open = {}) => batchStream(open.stop, (stop) => batches(open, stop)),
    seal: (cursor, key) => sealer?.seal(cursor, key) ?? cursor,
    reconnect: () => racers.forEach(({ sources }) => sources.at(-1)?.reconnect()),
  };
}

/** The position for a run that reads one host at a time: by time, as what all hosts together sent is in nobody's order. */
function commonCursor(time_us: number, taken: number): Cursor {
  return formatPosition({ v: 1, host: "", wire: "v1", time_us, n: taken, race: true });
}

/** Positions of a race carry how many events all hosts had handed on: hashes up to there belong to them. */
function mark(cursor: Cursor, taken: number): Cursor {
  return formatPosition({ ...parsePosition(cursor), n: taken });
}

function withoutBeginning(options: JetstreamRaceOptions): JetstreamRaceOptions {
  const { cursor: _cursor, start: _start, noRewind: _noRewind, maxRewindMinutes: _most, ...others } = options;
  return others;
}

function racersOf(plan: Plan, { url, instances = [] }: JetstreamOptions): Racer[] {
  const named = url !== undefined ? [url] : instances.length > 0 ? instances : DEFAULT_INSTANCES;
  const racers = new Map<string, Racer>();
  for (const instance of named.map((each) => each.trim()).filter((each) => each !== "")) {
    const { host } = endpointOf(instance);
    if (!racers.has(host)) racers.set(host, { host, key: `${plan.key}:${host}`, instance, sources: [] });
  }
  return [...racers.values()];
}

/** What a run begins with. */
interface Start {
  readonly positions: ReadonlyMap<string, Position>;
  readonly sealer: Sealer;
  readonly known: MergeOptions<AtEvent>["known"];
}

/** What one run is made of. */
interface Setup {
  readonly plan: Plan;
  readonly open: OpenOptions<AtEvent>;
  readonly window: KeyWindow;
  readonly now: () => number;
}

/** Finds the positions, and what was handed on before them. */
async function prepare(setup: Setup & { readonly racers: readonly Racer[]; readonly most: number }): Promise<Start> {
  const { plan, racers, open, window, most } = setup;
  const keys = racers.map(({ key }) => key);
  const { of: positions, saved }: Positions = plan.begin === undefined
    ? await loadPositions(keys, open)
    : { of: new Map(), saved: [] };
  const remembered = rememberedBy(saved);
  const { hashes, since, until } = remembered;
  if (open.recall && positions.size > 0) {
    const oldest = Math.min(...keys.map((key) => reachedAt(positions.get(key), setup) ?? until));
    const recalled = await open.recall(oldest - plan.overlapUs, most);
    refill(window, recalled.items, recalled.since);
  } else window.since = since;
  const known = hashes.size === 0 || open.recall
    ? undefined
    : { until: until + plan.overlapUs, test: (key: string) => hashes.has(hashOfKey(key)) };
  return { positions, known, sealer: new Sealer(window, remembered, keys, positions, plan.overlapUs) };
}

/** The event time at which a host begins, in microseconds; undefined: live. */
function reachedAt(position: Position | undefined, { plan, open, now }: Setup): number | undefined {
  const { begin, noRewind, maxRewindUs } = plan;
  if (begin !== undefined) return begin >= MICROSECONDS_FROM ? begin : 0;
  if (position === undefined || noRewind || open.afresh) return undefined;
  return maxRewindUs > 0 ? Math.max(position.time_us, now() * 1000 - maxRewindUs) : position.time_us;
}

function laneOf(
  racer: Racer,
  setup: Setup & { readonly options: JetstreamRaceOptions; readonly start: Start },
): Lane<AtEvent> {
  const { host, key, instance, sources } = racer;
  const { options, open, window, start } = setup;
  const { url: _, cursor, start: begin, noRewind, maxRewindMinutes, ...others } = options;
  const begins = {
    ...(cursor !== undefined && { cursor }),
    ...(begin !== undefined && { start: begin }),
    ...(noRewind !== undefined && { noRewind }),
    ...(maxRewindMinutes !== undefined && { maxRewindMinutes }),
  };
  const position = start.positions.get(key);
  return {
    host,
    key,
    reached: reachedAt(position, setup),
    open(stop, from) {
      const source = jetstream({ ...others, ...(from === undefined && begins), instances: [instance], key });
      sources.push(source);
      const at: Position | undefined = from === undefined ? position : { v: 1, host: "", wire: "v1", time_us: from };
      return source.open({
        cursor: at && formatPosition(at),
        ...(from === undefined && open.afresh && { afresh: true }),
        stop,
        // Copies are recognised by the window: a host only needs to know how far back it may ask.
        recall: () => Promise.resolve({ items: [], since: window.since }),
      });
    },
  };
}

/** Has a tally told of everything that comes. */
function countedBy(tally: Tally, racers: readonly Racer[]): Pick<MergeOptions<AtEvent>, "onEvent" | "onBatch"> {
  return {
    onEvent: (host, key, time_us, isFirst) => isFirst ? tally.first(host, key, time_us) : tally.again(host, key),
    onBatch(hosts) {
      const reached = () => Math.min(...hosts.map(({ reached = -Infinity }) => reached));
      tally.look(() => ({ connections: connectionsOf(racers), reached: reached() }));
    },
  };
}

/** Which connection each host has; undefined where one has none. */
function connectionsOf(racers: readonly Racer[]): string | undefined {
  const all = racers.map(({ sources }) =>
    sources.at(-1)?.stats.connected ? totalOf(sources, "connections") : undefined
  );
  return all.includes(undefined) ? undefined : all.join();
}

function totalOf(sources: readonly JetstreamSource[], name: "bytesReceived" | "connections" | "ignored"): number {
  return sources.reduce((total, { stats }) => total + stats[name], 0);
}

function statsOf(racers: readonly Racer[], { figures }: Tally): JetstreamRace["stats"] {
  const total = (name: Parameters<typeof totalOf>[1]) =>
    racers.reduce((n, { sources }) => n + totalOf(sources, name), 0);
  return {
    get bytesReceived() {
      return total("bytesReceived");
    },
    get connections() {
      return total("connections");
    },
    get connected() {
      return connectionsOf(racers) !== undefined;
    },
    get ignored() {
      return total("ignored");
    },
    host: racers.map(({ host }) => host).join(","),
    race: figures,
  };
}
