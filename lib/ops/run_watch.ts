/**
 * What the operations server knows of one run: it looks on while the pipeline works, and takes a look of its own every second.
 *
 * @module
 */
import type { AnyEvent } from "../atproto/event.ts";
import type { Gap } from "../pipeline/batch.ts";
import type { Counters } from "../pipeline/counters.ts";
import type { DeadLetter } from "../pipeline/deliver.ts";
import type { Link } from "../pipeline/link.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { SourceStats } from "../pipeline/source.ts";
import type { PipelineWatch } from "../pipeline/watch.ts";
import { type GapRow, listGaps } from "../state/gaps.ts";
import type { WebhookFigures } from "../sinks/webhook/figures.ts";
import { addTo, MOST_LABELS } from "./bounded.ts";
import { DeadLetterWatch } from "./dead_letters.ts";
import { SinkWatch } from "./observed_sink.ts";
import { Window } from "./rates.ts";
import type { RunFacts } from "./readiness.ts";
import { loadStats, statsFile, type StatsSaver, statsSaver } from "./stats_file.ts";
import { Tally } from "./tally.ts";

const MOST_GAPS = 100;
/** Gaps are read from their file at most so often without a new one, in looks. */
const GAPS_EVERY = 30;

/** What a run says of itself before it begins. */
export interface RunDescription {
  /** `jetstream`, `firehose`, ... */
  readonly command: string;
  /** Hosts or files. */
  readonly source: string;
  /** The sink's name. */
  readonly sink: string;
  /** The stream of the sink redis. */
  readonly stream: string | undefined;
  /** The state key. */
  readonly key: string;
  readonly counters: Counters;
  /** Live figures of the source. */
  readonly stats: Partial<SourceStats> | undefined;
  /** Whether events are told as they happen: files have no lag. */
  readonly live: boolean;
  /** Events, items of a batch and writes from which on something waits. */
  readonly limits: { readonly inFlight: number; readonly batch: number; readonly writes: number };
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** The file with the table of gaps. */
  readonly gaps: string;
  /** Where its figures are kept between runs; undefined: nowhere, for nothing is to be written. */
  readonly stateFolder: string | undefined;
}

/** What can be asked of a run while it lasts. */
export interface RunControl {
  /** Makes new connections at the position. `next`: of hosts that stand in for each other, the next one. */
  reconnect(options: { readonly next: boolean }): void;
  /** Clears the saved position and begins live; resolves once that is done. */
  forgetPosition(): Promise<void>;
}

/** What came of a source besides events. */
export interface Received {
  /** Connections after the first one of each host. */
  readonly reconnects: number;
  /** As on the wire. */
  readonly bytes: number;
}

/** The sums that are looked at every second. */
type Sum = "received" | "written" | "source" | "inFlight" | "sink" | "deadLetter";

/** Looks on at one run. */
export class RunWatch implements PipelineWatch<AnyEvent> {
  readonly about: RunDescription;
  readonly tally: Tally;
  readonly window: Window<Sum> = new Window();
  readonly deadLetters: DeadLetterWatch = new DeadLetterWatch();
  readonly sink: SinkWatch;
  /** Items that came through the stages, by kind. */
  readonly kinds: Map<string, number> = new Map();
  /** Commits in the sink, by operation. */
  readonly operations: Map<string, number> = new Map();
  /** Writes that were repeated. */
  readonly retries: Record<"whole" | "rest", number> = { whole: 0, rest: 0 };
  /** Saves of the position that failed. */
  failedSaves = 0;
  /** Gaps that nobody asked for, by host and reason with a line feed between them. */
  readonly gapCounts: Map<string, number> = new Map();
  /** Set while the run can be told to do something. */
  control: RunControl | undefined;
  /** Free space by folder, in bytes. */
  free: ReadonlyMap<string, number> = new Map();
  /** How far it is. */
  phase: "starting" | "running" | "draining" | "ended" = "starting";
  /** What the run has failed with, while it is wound up. */
  failure: unknown;
  /** When the position was last saved, in milliseconds since 1970. */
  savedAt: number | undefined;
  #figures: (() => object | undefined) | undefined;
  #isFull: () => boolean = () => false;
  #lastFigures: object | undefined;
  #openGaps: readonly GapRow[] = [];
  #gapKeys = new Set<string>();
  #gapsDue = 0;
  #positions = "";
  #waitingSince: number | undefined;
  #zero: Received = { reconnects: 0, bytes: 0 };
  readonly #saver: StatsSaver | undefined;

  private constructor(about: RunDescription, tally: Tally, saver: StatsSaver | undefined, sink: SinkWatch) {
    this.about = about;
    this.tally = tally;
    this.sink = sink;
    this.#saver = saver;
    this.#gapKeys.add(about.key);
  }

  /**
   * Begins to look on, with what an earlier run has left.
   *
   * @param onWrite Told how long each write took, in seconds.
   */
  static async begin(about: RunDescription, onWrite: (seconds: number) => void): Promise<RunWatch> {
    const { stateFolder, key, counters, startedAt } = about;
    const file = stateFolder === undefined ? undefined : statsFile(stateFolder, key);
    const saved = file === undefined ? undefined : await loadStats(file);
    const tally = new Tally(counters, saved, startedAt);
    return new RunWatch(about, tally, file === undefined ? undefined : statsSaver(file), new SinkWatch(onWrite));
  }

  /** The hosts that are read now, or stand for those that are. */
  get links(): readonly Link[] {
    return (this.about.stats?.links ?? []).filter(({ active }) => active);
  }

  /** What came of the source since the start or the last reset. */
  get received(): Received {
    const { reconnects, bytes } = this.#allReceived();
    return { reconnects: reconnects - this.#zero.reconnects, bytes: bytes - this.#zero.bytes };
  }

  /** The figures of the sink webhook; undefined: it is another one. */
  get webhook(): WebhookFigures | undefined {
    return this.about.sink === "webhook" ? this.#lastFigures as WebhookFigures | undefined : undefined;
  }

  /** What the sink counts besides. */
  get figures(): object | undefined {
    return this.#lastFigures;
  }

  /** Holes that are open, oldest first. */
  get openGaps(): readonly GapRow[] {
    return this.#openGaps;
  }

  /** The sink is open: from now on it is watched. */
  watchSink<S extends Sink<AnyEvent> & { figures?(): object }>(sink: S): S {
    this.#figures = () => sink.figures?.();
    return this.sink.watch(sink);
  }

  /** The same dead letter, watched. @param isFull Whether it waits for space. */
  watchDeadLetter(append: DeadLetter, isFull: () => boolean): DeadLetter {
    this.#isFull = isFull;
    return this.deadLetters.watch(append);
  }

  onPassed(items: readonly AnyEvent[]): void {
    count(this.kinds, items, ({ kind }) => kind);
  }

  onStored(items: readonly AnyEvent[]): void {
    count(this.operations, items, (event) => event.kind === "commit" ? event.commit.operation : "");
  }

  onGaps(gaps: readonly Gap[], key: string): void {
    this.#gapKeys.add(key);
    this.#gapsDue = 0;
    for (const { host, reason } of gaps) addTo(this.gapCounts, `${host}\n${reason}`, 1, MOST_LABELS);
  }

  onRetry(part: "whole" | "rest"): void {
    this.retries[part]++;
  }

  onSaveFailed(): void {
    this.failedSaves++;
  }

  onFailure(error: unknown): void {
    this.failure = error;
  }

  /** Events can come: the locks are held, the sink is open. */
  begun(): void {
    if (this.phase === "starting") this.phase = "running";
  }

  /** Nothing more is read. */
  draining(): void {
    if (this.phase !== "ended") this.phase = "draining";
  }

  /** Everything is closed. Saves the figures. */
  async ended(): Promise<void> {
    const begun = this.phase === "running" || this.phase === "draining";
    this.look(Date.now());
    this.phase = "ended";
    this.control = undefined;
    if (begun) await this.#saver?.save(this.tally.five);
  }

  /** Takes a look; called every second. */
  look(now: number): void {
    const { counters, stats } = this.about;
    this.tally.look(now);
    const links = stats?.links ?? [];
    this.window.add({
      at: now,
      received: counters.received,
      written: counters.written,
      source: links.length === 0 ? 0 : links.reduce((ms, { paused }) => ms + paused.ms(), 0) / links.length,
      inFlight: counters.blocked.inFlight.ms(),
      sink: counters.blocked.sink.ms(),
      deadLetter: this.deadLetters.blocked.ms(),
    });
    if (this.phase === "ended") return;
    this.#lastFigures = this.#figures?.();
    this.#lookAtPosition(now);
    this.#lookAtGaps();
    const { lastSuccessAt } = this.sink;
    const waits = counters.inFlight > 0;
    this.#waitingSince = waits ? Math.max(this.#waitingSince ?? now, lastSuccessAt ?? 0) : undefined;
    if (this.phase !== "starting") this.#saver?.save(this.tally.five);
  }

  /** What decides whether it is ready; undefined: it is over. */
  facts(now: number): RunFacts | undefined {
    const { phase, webhook } = this;
    if (phase === "ended") return undefined;
    const { source, sink, startedAt, counters, stats } = this.about;
    const unread = this.links.length > 0 && this.links.every(({ connections }) => connections === 0);
    const queueFull = (this.figures as { readonly backpressure?: string | null })?.backpressure === "bytes";
    return {
      ...{ now, source, sink, startedAt, links: stats?.links === undefined ? [] : this.links, free: this.free },
      phase: phase === "running" && unread ? "starting" : phase,
      waitingSince: this.#waitingSince,
      sinkError: this.sink.lastError,
      breakerSince: webhook?.breaker_since,
      disabled: webhook?.state === "disabled" ? webhook.reason ?? "no reason given" : undefined,
      full: [...queueFull ? ["queue"] : [], ...this.#isFull() ? ["dead letter"] : []],
      failedSaves: counters.failedSaves,
    };
  }

  /** Sets the figures of `/stats` to zero, and empties the list of dead letters. */
  reset(): void {
    this.tally.reset();
    this.#zero = this.#allReceived();
    this.window.clear();
    this.deadLetters.clear();
  }

  #allReceived(): Received {
    const { stats } = this.about;
    const hosts = Object.keys(stats?.race ?? {}).length || Math.max(1, this.links.length);
    return { reconnects: Math.max(0, (stats?.connections ?? 0) - hosts), bytes: stats?.bytesReceived ?? 0 };
  }

  #lookAtPosition(now: number): void {
    const positions = [...this.about.counters.cursors].join();
    if (positions !== this.#positions && positions !== "") this.savedAt = now;
    this.#positions = positions;
  }

  #lookAtGaps(): void {
    if (this.#gapsDue-- > 0) return;
    this.#gapsDue = GAPS_EVERY;
    for (const key of this.about.counters.cursors.keys()) this.#gapKeys.add(key);
    try {
      const open = listGaps(this.about.gaps).filter(({ key }) => this.#gapKeys.has(key));
      this.#openGaps = open.slice(-MOST_GAPS);
    } catch {
      // A file that cannot be read now is told of by whoever writes to it.
    }
  }
}

/** Counts runs of equal names at once: most events are of one kind. */
function count(counts: Map<string, number>, items: readonly AnyEvent[], nameOf: (event: AnyEvent) => string): void {
  let name = "", from = 0;
  for (let i = 0; i <= items.length; i++) {
    const next = i < items.length ? nameOf(items[i]!) : undefined;
    if (next === name) continue;
    if (i > from) counts.set(name, (counts.get(name) ?? 0) + i - from);
    name = next ?? "";
    from = i;
  }
}
