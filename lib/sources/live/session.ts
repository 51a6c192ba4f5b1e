/**
 * One opened stream of one host: connection after connection, each at the position that the last one reached.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import { hostAndPort, requireNet } from "../../net/permission.ts";
import type { Connection, Outcome } from "../../net/websocket.ts";
import type { Batch, Cursor } from "../../pipeline/batch.ts";
import type { TransientError } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import { USER_AGENT } from "../../version.ts";
import type { Beginning } from "./beginning.ts";
import type { Endpoint } from "./endpoint.ts";
import { FrameRate } from "./frame_rate.ts";
import { futureCursor } from "./future.ts";
import type { HostReadingStats } from "./hosts.ts";
import { Judge } from "./judge.ts";
import type { LivePlan } from "./options.ts";
import { Place } from "./place.ts";
import type { HostStats, Protocol } from "./protocol.ts";
import { type Over, Reader } from "./reader.ts";

const log = getLogger(["bskyingest", "live"]);

/** A connection that delivered data for so long was a good one. */
const STABLE_MS = 30_000;
const HANDSHAKE_MS = 10_000;
/** `--idle-timeout auto`, where frames come all the time. */
const AUTO_IDLE_MS = 60_000;

/** What a session works with. */
export interface SessionContext<M extends { readonly seq: number }> {
  readonly protocol: Protocol<M>;
  readonly plan: LivePlan;
  readonly endpoint: Endpoint;
  /** Under which its position is saved. */
  readonly key: string;
  /** The saved position. */
  readonly load: () => Promise<Cursor | undefined>;
  readonly beginning: Beginning;
  /** Begin live, whatever is saved and whatever the options say. */
  readonly afresh: boolean;
  readonly stats: HostReadingStats;
  readonly hostStats: HostStats;
  readonly stop: AbortSignal;
}

/** Reads one host. */
export class Session<M extends { readonly seq: number }> {
  readonly #context: SessionContext<M>;
  readonly #origin: Origin;
  readonly #place: Place;
  readonly #judge: Judge;
  readonly #rate = new FrameRate();
  #connection: AbortController | undefined;
  #dialAtOnce = new AbortController();
  #attempt = 0;
  #started = false;
  #done = false;

  constructor(context: SessionContext<M>) {
    const { protocol: { source }, plan: { begin }, endpoint: { host } } = context;
    this.#context = context;
    this.#origin = Object.freeze({ source, wire: "relay", host });
    this.#place = new Place({ source, host, begin });
    this.#judge = new Judge(host);
  }

  /** Closes the connection and dials at once. */
  reconnect(): void {
    this.#dialAtOnce.abort();
    this.#dialAtOnce = new AbortController();
    this.#connection?.abort();
  }

  /**
   * Ends when the user's end has come, or `stop` has aborted. What was read before a failure is handed on at once; after one it may be
   * called again, and goes on where it was.
   */
  async *batches(): AsyncGenerator<Batch<AnyEvent>, void> {
    const { key, stop } = this.#context;
    try {
      if (!this.#started) await this.#start();
      while (!stop.aborted && !this.#done) yield* this.#connectOnce();
    } catch (error) {
      yield { key, items: [], cursor: undefined, gaps: this.#place.takeGaps(), urgent: true };
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { plan, beginning, afresh, endpoint: { host } } = this.#context;
    const { until } = plan;
    const saved = await this.#context.load();
    const told = beginning.isAt(saved) ? beginning.from ?? plan.cursor : undefined;
    const cursor = afresh ? "live" : told;
    this.#place.start(saved, cursor);
    this.#started = true;
    if (cursor !== undefined && plan.cursor !== undefined && saved !== undefined) {
      log.warn("Leaving the saved position {saved} of {host} for --cursor {cursor}", { saved, host, cursor });
    }
    const { seq } = this.#place;
    this.#done = seq !== undefined && seq >= until;
    if (this.#done) log.info("Nothing is left of {host} up to {until}: the position is {seq}", { host, until, seq });
  }

  /** One connection, and the wait that follows it. */
  async *#connectOnce(): AsyncGenerator<Batch<AnyEvent>, void> {
    const { plan, protocol, key, stats, hostStats, stop } = this.#context;
    const [link] = stats.links;
    link.dial();
    const asked = this.#place.ask();
    const own = this.#connection = new AbortController();
    const connection = await this.#dial(asked, AbortSignal.any([stop, own.signal]));
    let openedAt: number | undefined;
    const opened = connection.opened.then((ok) => ok && (openedAt = this.#onOpen(connection, asked)));
    const onIgnored = () => stats.ignored++;
    const reader = new Reader({
      ...{ protocol, plan, key, onIgnored },
      place: this.#place,
      origin: this.#origin,
      stats: hostStats,
    });
    try {
      yield* this.#read(connection, reader);
    } finally {
      own.abort();
      await connection.frames.cancel();
      link.end((await connection.closed).kind);
      hostStats.connected = stats.connected = false;
    }
    const outcome = await connection.closed;
    await opened;
    if (openedAt !== undefined) {
      plan.tap?.({ type: "closed", ...closeOf(outcome) });
      if (reader.progressed && performance.now() - openedAt >= STABLE_MS) this.#attempt = 0;
    }
    const failure = this.#next(reader.over, outcome);
    if (failure !== undefined && !this.#done && !stop.aborted) await this.#wait(failure);
  }

  async #dial(asked: number | undefined, signal: AbortSignal): Promise<Connection> {
    // Loading `ws` takes longer than everything else of this library together: not before it is needed.
    const { connect } = await import("../../net/websocket.ts");
    const { plan: { maxFrameBytes, deadAfterMs, idleTimeout }, protocol, endpoint, stats } = this.#context;
    requireNet(hostAndPort(new URL(endpoint.ws)));
    return connect(`${endpoint.ws}${protocol.path}${asked === undefined ? "" : `?cursor=${asked}`}`, {
      headers: { "User-Agent": USER_AGENT },
      maxPayload: maxFrameBytes,
      liveMs: deadAfterMs,
      silentMs: idleTimeout === "auto" ? () => this.#rate.busy ? AUTO_IDLE_MS : 0 : idleTimeout,
      pausedMs: 0,
      onPaused: stats.links[0].onPaused,
      handshakeMs: HANDSHAKE_MS,
      signal,
    });
  }

  async *#read(connection: Connection, reader: Reader<M>): AsyncGenerator<Batch<AnyEvent>, void> {
    const { plan, plan: { idleTimeout }, stats, hostStats, beginning } = this.#context;
    const [link] = stats.links;
    for await (const chunk of connection.frames.values({ preventCancel: true })) {
      plan.tap?.({ type: "frames", frames: chunk });
      const bytes = chunk.data.reduce((sum, { length }) => sum + length, 0);
      stats.bytesReceived += bytes;
      link.receive(bytes);
      this.#rate.add(chunk.data.length);
      for (const batch of reader.batches(chunk)) {
        beginning.from ??= this.#place.from;
        yield batch;
      }
      link.lastTimeUs = hostStats.lastTimeUs;
      link.lastSeq = hostStats.lastSeq;
      if (idleTimeout === "auto") link.busyMs = this.#rate.busy ? 2 * AUTO_IDLE_MS : undefined;
      if (reader.progressed) this.#judge.progressed();
      if (reader.over !== undefined) return;
    }
  }

  #onOpen({ url }: Connection, asked: number | undefined): number {
    const { plan, stats, hostStats, endpoint: { host } } = this.#context;
    stats.connections++;
    stats.host = host;
    hostStats.connected = stats.connected = true;
    stats.links[0].open();
    this.#judge.accepted();
    plan.tap?.({ type: "opened", url, host, wire: "relay" });
    log.info("Connected to {host}, {from}", { host, from: asked === undefined ? "live" : `from ${asked}` });
    return performance.now();
  }

  /**
   * Why to wait before the next attempt.
   *
   * @throws {ConfigError} where another attempt would not help.
   */
  #next(over: Over | undefined, outcome: Outcome): TransientError | undefined {
    switch (over?.why) {
      case "until":
        this.#done = true;
        return undefined;
      case "broken":
        return this.#judge.failure(over.words);
      case "restart":
        return this.#judge.failure("its numbers began anew");
      case "error":
        return this.#onError(over.error, over.message);
    }
    if (outcome.kind === "oversize") this.#place.oversize();
    return this.#judge.failureOf(outcome);
  }

  #onError(name: string, message: string | undefined): TransientError {
    const { plan: { onFutureCursor }, hostStats, endpoint: { host } } = this.#context;
    const words = `it says ${name}${message === undefined ? "" : `: ${message}`}`;
    if (name === "ConsumerTooSlow") {
      hostStats.tooSlow++;
      this.#place.expect("consumer_too_slow", message);
    }
    // Past a frame that is too large there may be no other one yet.
    if (name === "FutureCursor" && this.#place.askedForward && !this.#place.raised) {
      if (onFutureCursor === "stop") {
        this.#place.missNumbers("future_cursor", message);
        throw futureCursor(host, this.#place.cursor, words);
      }
      this.#place.restart(onFutureCursor, "future_cursor", message);
    }
    return this.#judge.failure(words);
  }

  async #wait(failure: TransientError): Promise<void> {
    const { plan, stop, stats, endpoint: { host } } = this.#context;
    const ms = plan.backoff(this.#attempt++, failure);
    if (ms === undefined) throw failure;
    stats.links[0].fail(failure.message);
    log.warn("{why}. Connecting to {host} in {ms} ms", { why: failure.message, host, ms: Math.round(ms) });
    await delay(ms, AbortSignal.any([stop, this.#dialAtOnce.signal])).catch(() => {});
  }
}

/** The close code of a connection: 1006 where there was no close frame. */
function closeOf(outcome: Outcome): { readonly code: number; readonly reason: string } {
  if (outcome.kind === "closed") return { code: outcome.code, reason: outcome.reason };
  return { code: outcome.kind === "stopped" ? 1000 : 1006, reason: outcome.kind };
}
