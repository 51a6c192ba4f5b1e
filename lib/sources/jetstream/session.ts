/**
 * One opened Jetstream: connection after connection, each at the position that the last one reached.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AtEvent, Origin } from "../../atproto/event.ts";
import { hostAndPort, requireNet } from "../../net/permission.ts";
import type { Connection, Outcome } from "../../net/websocket.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { FatalError, type TransientError } from "../../pipeline/errors.ts";
import { type Link, switchTo } from "../../pipeline/link.ts";
import { delay, fullJitter } from "../../pipeline/retry.ts";
import type { OpenOptions, SourceStats } from "../../pipeline/source.ts";
import { USER_AGENT } from "../../version.ts";
import { Compression } from "./compression.ts";
import type { Dictionary } from "./dictionary_cache.ts";
import { End } from "./end.ts";
import { isBusy } from "./filter.ts";
import { Hosts, type Step } from "./hosts.ts";
import type { JetstreamOptions, Plan } from "./options.ts";
import { parsePosition } from "./position.ts";
import { EpochError, MissingError, Reader } from "./reader.ts";
import { Silence } from "./silence.ts";
import { searchHosts } from "./starts.ts";
import { type Resume, Track } from "./track.ts";
import { buildUrl, MICROSECONDS_FROM, needsHello, optionsUpdate, type Request, type Wire } from "./url.ts";

const log = getLogger(["bskyingest", "jetstream"]);

/** Paused by back-pressure for so long, a connection is given up: the server would cut it some 5 s later. */
const PAUSED_MS = 3000;
/** A connection that stayed open for so long was a good one. */
const STABLE_MS = 30_000;

/** What is known of a connection that ended, besides its reader. */
interface How {
  readonly opened: boolean;
  /** Our `options_update` was the last thing that the server heard. */
  readonly afterHello: boolean;
  /** We ended it: the position leads elsewhere there, or another host may have what this one has left out. */
  readonly elsewhere: boolean;
  /** It was to be compressed with this. */
  readonly dictionary: Dictionary | undefined;
}

/** The figures that a session fills. */
export type LinkedStats = SourceStats & { readonly links: Link[] };

/** One opened source. */
export class Session {
  readonly #plan: Plan;
  readonly #stats: LinkedStats;
  readonly #open: OpenOptions<AtEvent>;
  readonly #stop: AbortSignal;
  readonly #track: Track;
  readonly #hosts: Hosts;
  readonly #now: () => number;
  readonly #tap: JetstreamOptions["tap"];
  readonly #backoff: (attempt: number, error: unknown) => number | undefined;
  readonly #end: End;
  readonly #silence: Silence;
  readonly #compression: Compression;
  #connection: AbortController | undefined;
  #link: Link | undefined;
  #dialAtOnce = new AbortController();
  #wire: Wire = "v1";
  #attempt = 0;
  #oversize = { at: undefined as string | undefined, times: 0 };
  #maxMessageBytes: number;

  constructor(
    plan: Plan,
    options: JetstreamOptions,
    stats: LinkedStats,
    open: OpenOptions<AtEvent>,
    stop: AbortSignal,
  ) {
    this.#plan = plan;
    this.#stats = stats;
    this.#open = open;
    this.#now = options.now ?? Date.now;
    this.#end = new End(plan.endUs, this.#now);
    this.#stop = AbortSignal.any([stop, this.#end.signal]);
    this.#track = new Track(plan);
    this.#hosts = new Hosts(plan);
    this.#silence = new Silence(plan);
    this.#backoff = options.backoff ?? fullJitter();
    this.#tap = options.tap;
    this.#maxMessageBytes = plan.maxMessageBytes;
    this.#compression = new Compression(plan, options, this.#stop);
  }

  /** Adds what a restart needs, for sinks that cannot recall; `cursor` was made by this session. */
  seal(cursor: string): string {
    const { recall, sealsAll } = this.#open;
    // The host that gave a sequence number sends nothing twice; hashes in every position are for hosts that give none.
    const exact = sealsAll && parsePosition(cursor).seq !== undefined;
    return recall || exact ? cursor : this.#track.seal(cursor);
  }

  reconnect({ next = false }: { readonly next?: boolean } = {}): void {
    if (next) this.#hosts.next();
    this.#dialAtOnce.abort();
    this.#dialAtOnce = new AbortController();
    this.#connection?.abort();
  }

  async *batches(): AsyncGenerator<Batch<AtEvent>, void> {
    const { cursor } = this.#open;
    await this.#track.start(this.#open, this.#now() * 1000);
    const { begin } = this.#plan;
    if (cursor !== undefined && this.#track.time !== undefined) {
      const { host, time_us } = parsePosition(cursor);
      this.#hosts.prefer(host);
      this.#greet(time_us);
    } else if (begin !== undefined && begin >= MICROSECONDS_FROM) this.#greet(begin);
    using end = this.#end;
    using compression = this.#compression;
    await compression.messages.check();
    end.startTimer();
    while (!this.#stop.aborted) yield* this.#connectOnce();
  }

  /** One connection, and the wait that follows it. */
  async *#connectOnce(): AsyncGenerator<Batch<AtEvent>, void> {
    const wire = await this.#hosts.wire(this.#stop);
    const dictionary = await this.#compression.offer(this.#hosts.current, wire);
    if (this.#stop.aborted) return;
    this.#wire = wire;
    const { host } = this.#hosts.current;
    const resume = this.#track.resume(host);
    const request: Request = {
      wire,
      filter: this.#plan.filter,
      cursor: resume.cursor,
      maxMessageBytes: this.#maxMessageBytes,
      zstdDictionary: dictionary?.id,
    };
    // Loading `ws` takes longer than everything else of this library together: not before it is needed.
    const { connect } = await import("../../net/websocket.ts");
    const dialled = this.#now();
    const link = this.#link = switchTo(this.#stats.links, host);
    link.dial(wire);
    const own = new AbortController();
    this.#connection = own;
    const url = buildUrl(this.#hosts.current, request);
    requireNet(hostAndPort(new URL(url)));
    const connection = connect(url, {
      headers: { "User-Agent": USER_AGENT },
      maxPayload: this.#plan.maxFrameBytes,
      liveMs: this.#plan.idleTimeoutMs,
      silentMs: this.#end.quietMs ?? this.#silence.limitMs(wire),
      pausedMs: PAUSED_MS,
      onPaused: link.onPaused,
      signal: AbortSignal.any([this.#stop, own.signal]),
    });
    const opened = connection.opened.then((ok) => ok && this.#onOpen(connection, request, host));
    this.#compression.begin(this.#hosts.current, dictionary);
    const origin: Origin = Object.freeze({ source: "jetstream", wire, host });
    const reader = this.#makeReader(origin, resume);
    const elsewhere = yield* this.#read(connection, reader, own);
    const outcome = await connection.closed;
    const ok = await opened;
    this.#stats.connected = false;
    link.end(outcome.kind);
    if (ok) this.#tap?.({ type: "closed", ...closeOf(outcome) });
    if (ok && dictionary) this.#compression.accepted(this.#hosts.current, dictionary);
    if (outcome.kind === "oversize") yield this.#onOversize(reader);
    if (reader.progressed || (ok && this.#now() - dialled >= STABLE_MS)) this.#attempt = 0;
    const afterHello = needsHello(request) && !reader.progressed;
    const step = this.#next(outcome, reader, { opened: ok, afterHello, elsewhere, dictionary });
    if (step.step === "again" && "failure" in step) await this.#wait(step.failure);
  }

  #makeReader(origin: Origin, resume: Resume): Reader {
    const hooks = {
      onIgnored: () => this.#stats.ignored++,
      onEnd: (now: boolean) => this.#end.passed(now),
      decompress: (frame: Uint8Array) => this.#compression.messages.decompress(frame),
    };
    return new Reader(this.#plan, this.#track, origin, resume, hooks, this.#now);
  }

  /** Answers whether the server turned out not to have what lies behind the position. */
  async *#read(connection: Connection, reader: Reader, own: AbortController): AsyncGenerator<Batch<AtEvent>, boolean> {
    const frames = connection.frames.getReader();
    const { messages } = this.#compression;
    try {
      for (let chunk; !(chunk = await frames.read()).done;) {
        this.#tap?.({ type: "frames", frames: chunk.value });
        this.#received(chunk.value.data.reduce((bytes, message) => bytes + message.length, 0));
        if (!messages.ready && chunk.value.binary.includes(true)) {
          await messages.prepare(chunk.value);
          if (this.#stop.aborted) break; // perhaps before everything was there: the next run reads it again
        }
        yield* reader.batches(chunk.value);
        this.#link!.lastTimeUs = this.#track.time;
        if (this.#end.signal.aborted) break;
        if (reader.progressed) this.#silence.broken(), this.#oversize.times = 0;
      }
      return false;
    } catch (error) {
      if (error instanceof MissingError) {
        own.abort();
        this.#hosts.prefer(await searchHosts(this.#plan, this.#track, this.#stop));
        return true;
      }
      if (!(error instanceof EpochError)) throw error;
      log.warn("{host} is not where it was: {why}. Resuming by time", {
        host: this.#hosts.current.host,
        why: error.message,
      });
      this.#track.forgetSeq();
      return true;
    } finally {
      own.abort();
      await frames.cancel();
      await connection.closed;
    }
  }

  #received(bytes: number): void {
    this.#stats.bytesReceived += bytes;
    this.#link!.receive(bytes);
  }

  #next(outcome: Outcome, reader: Reader, how: How): Step {
    if (this.#stop.aborted) return { step: "stop" };
    if (how.elsewhere) return { step: "again" };
    const { host } = this.#hosts.current;
    if (outcome.kind === "stopped") return { step: "again" }; // by `reconnect()`
    if (outcome.kind === "refused" && outcome.status === 400) {
      if (this.#isTooOld(outcome.body)) return { step: "again" };
      if (how.dictionary && outcome.body.includes('"UnknownZstdDictionary"')) {
        this.#compression.refused(this.#hosts.current, how.dictionary);
        return { step: "again" };
      }
    }
    if (outcome.kind === "silent") return this.#onSilent(reader);
    if (reader.serverError) {
      log.warn("{host} ended the stream: {name}: {message}", { host, ...reader.serverError });
      if (reader.serverError.name === "ConsumerTooSlow") {
        this.#track.expectGap({ reason: "consumer_too_slow", host, detail: reader.serverError.message });
      }
    }
    return this.#hosts.judge({
      outcome,
      opened: how.opened,
      progressed: reader.progressed,
      afterHello: how.afterHello,
    });
  }

  /** A refused sequence number: ask by time instead, and expect the gap that the server told of. */
  #isTooOld(body: string): boolean {
    const { host } = this.#hosts.current;
    const { cursor } = this.#track.resume(host);
    if (!body.includes('"CursorTooOld"') || cursor === undefined || cursor >= MICROSECONDS_FROM) return false;
    let detail = body;
    try {
      detail = String(JSON.parse(body).message);
    } catch {
      // The server's words as they are.
    }
    log.warn(
      "{host} no longer has our position, its archive may (see planSnapshot in Jetstream's documentation): {detail}",
      {
        host,
        detail,
      },
    );
    this.#track.expectGap({ reason: "cursor_too_old", host, detail });
    this.#track.forgetSeq();
    return true;
  }

  #onSilent(reader: Reader): Step {
    if (this.#end.quietMs !== undefined) {
      this.#end.passed(true);
      return { step: "stop" };
    }
    if (!reader.progressed) this.#silence.reconnecting();
    const { host } = this.#hosts.current;
    if (isBusy(this.#plan.filter, this.#wire)) {
      return this.#hosts.judge({ outcome: { kind: "silent" }, opened: true, progressed: false, afterHello: false });
    }
    log.info("Nothing from {host} for long, connecting again", { host });
    return { step: "again" };
  }

  #onOpen(connection: Connection, request: Request, host: string): true {
    this.#stats.connections++;
    this.#stats.connected = true;
    this.#stats.host = host;
    this.#link!.busyMs = isBusy(this.#plan.filter, request.wire) ? 2 * this.#plan.idleTimeoutMs : undefined;
    this.#link!.open();
    this.#tap?.({ type: "opened", url: connection.url, host, wire: request.wire });
    this.#track.listening(this.#now() * 1000);
    if (needsHello(request)) connection.send(optionsUpdate(request));
    const from = request.cursor === undefined ? "live" : `from ${request.cursor}`;
    const how = request.zstdDictionary === undefined ? "" : `, with zstd dictionary ${request.zstdDictionary}`;
    log.info("Connected to {host}, wire {wire}, {from}{how}", { host, wire: request.wire, from, how });
    return true;
  }

  /** A message above our limit costs the connection: the next one asks the server to leave such messages out. */
  #onOversize(reader: Reader): Batch<AtEvent> {
    const at = this.#track.cursor();
    this.#oversize = { at, times: this.#oversize.at === at ? this.#oversize.times + 1 : 1 };
    if (this.#oversize.times >= 3) {
      const { maxFrameBytes } = this.#plan;
      throw new FatalError(`Cannot read on: messages above ${maxFrameBytes} bytes come again at the same position`);
    }
    this.#maxMessageBytes = this.#plan.maxFrameBytes;
    return reader.oversize();
  }

  async #wait(failure: TransientError): Promise<void> {
    const ms = this.#backoff(this.#attempt++, failure);
    if (ms === undefined) throw failure;
    this.#link!.fail(failure.message);
    log.warn("{why}. Connecting to {host} in {ms} ms", {
      why: failure.message,
      host: this.#hosts.current.host,
      ms: Math.round(ms),
    });
    await delay(ms, AbortSignal.any([this.#stop, this.#dialAtOnce.signal])).catch(() => {});
  }

  /** Says where this run goes on, and whether servers may have forgotten it. */
  #greet(time_us: number): void {
    const at = new Date(time_us / 1000).toISOString();
    const hours = (this.#now() * 1000 - time_us) / 3600e6;
    if (hours > 24) {
      log.warn("The position {at} is {hours} h old: servers keep 24 to 36 h, older events may be gone", {
        at,
        hours: Math.floor(hours),
      });
    } else log.debug("Resuming after {at}", { at });
  }
}

/** The close code of a connection: 1006 where there was no close frame. */
function closeOf(outcome: Outcome): { readonly code: number; readonly reason: string } {
  if (outcome.kind === "closed") return { code: outcome.code, reason: outcome.reason };
  return { code: outcome.kind === "stopped" || outcome.kind === "paused" ? 1000 : 1006, reason: outcome.kind };
}
