/**
 * Sends what is in the queue: several requests side by side, each outcome written down before it counts.
 *
 * @module
 */
import { DeadRatio } from "../../pipeline/dead_ratio.ts";
import { ConfigError, FatalError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { type Backlog, createBacklog } from "./backlog.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { type DisabledReason, type Endpoint, openEndpoint } from "./endpoint.ts";
import { requestCounter, type WebhookFigures } from "./figures.ts";
import { createGate, type Gate } from "./gate.ts";
import { headersFor, type HeadersOf } from "./headers.ts";
import { hider } from "./hide.ts";
import { createJournal, type Journal } from "./journal.ts";
import { lettersOf } from "./letters.ts";
import { DELIVERY_DEFAULTS, type DeliveryOptions } from "./options.ts";
import { judge, LONGEST_ASKED_MS, LONGEST_JITTER, type Outcome, waitAfter } from "./outcome.ts";
import { createPoster, type Poster } from "./post.ts";
import { bodyOf, type Content, piecesOf, type Request } from "./requests.ts";
import { createScheduler } from "./scheduler.ts";
import { webhookId } from "./sign.ts";
import type { QueuePosition, QueueStore } from "./store.ts";
import { warner } from "./warnings.ts";

/** So many rejections in a row are the endpoint's fault. */
const MOST_REJECTIONS = 20;
/** From so many answered events on the share of dead ones is looked at. */
const LEAST_ANSWERED = 100;
/** What was delivered is written down after so many events, or after so long, in milliseconds. */
const SAVE_EVENTS = 1000, SAVE_MS = 1000;
/** The longest that events wait for requests before they are put into the queue, in milliseconds. */
const KEEP_UP_MS = 50;
/** What a {@link Delivery} works with. */
export interface DeliverySetup extends DeliveryOptions {
  readonly store: QueueStore;
  /** How often to look for events of other processes, in milliseconds. */
  readonly lookMs: number;
}

/** Delivers until it is closed. */
export class Delivery {
  readonly #setup: DeliverySetup & typeof DELIVERY_DEFAULTS;
  readonly #headersOf: HeadersOf;
  readonly #poster: Poster;
  readonly #scheduler = createScheduler();
  readonly #backlog: Backlog;
  readonly #endpoint: Endpoint;
  readonly #breaker: Breaker;
  readonly #gate: Gate;
  readonly #warn: (code: string, text: string) => void;
  readonly #journal: Journal;
  readonly #ratio: DeadRatio;
  readonly #counter = requestCounter();
  readonly #hide: (text: string) => string;
  readonly #failure = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #state: "ready" | "sending" | "closed" = "ready";
  #refilling = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #caughtUp: PromiseWithResolvers<void> | undefined;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #lookedAt: number;
  #delivered = 0;
  #dead = 0;
  #rejectedInARow = 0;
  #lastSuccessAt: number | undefined;
  #lastError: string | undefined;

  /**
   * Sends nothing yet.
   *
   * @throws {ConfigError} For a header or secret that cannot be.
   */
  constructor(options: DeliverySetup) {
    const setup = this.#setup = { ...DELIVERY_DEFAULTS, ...options.now && { clock: options.now }, ...options };
    const { store, batch, concurrency, random, enable, clock, maxDeadRatio, retrySchedule } = setup;
    const longestWaitMs = Math.max(LONGEST_ASKED_MS, LONGEST_JITTER * Math.max(...retrySchedule));
    const saved = store.endpoint();
    this.#headersOf = headersFor(setup);
    this.#hide = hider(setup);
    this.#poster = createPoster(setup);
    this.#backlog = createBacklog({ store, scheduler: this.#scheduler, batch, now: clock, longestWaitMs });
    this.#endpoint = openEndpoint({ target: setup, saved, enable, now: clock });
    const { breaker } = this.#endpoint;
    const until = Math.min(breaker.until, clock() + LONGEST_ASKED_MS); // it may be by a clock that was wrong
    this.#breaker = createBreaker({ concurrency, random, state: { ...breaker, until } });
    this.#gate = createGate(this.#endpoint, this.#breaker);
    this.#journal = createJournal(() => this.#gate.save(), saved);
    this.#warn = warner(this.#endpoint.url, clock);
    this.#ratio = new DeadRatio(maxDeadRatio, { least: LEAST_ANSWERED });
    this.#lookedAt = clock();
  }

  /** Aborts when it can go on no more, with the reason. */
  get failure(): AbortSignal {
    return this.#failure.signal;
  }

  /** Accounts whose events wait for another attempt. */
  get parkedAccounts(): number {
    return this.#scheduler.parkedAccounts;
  }

  /** Puts events into the queue, durably, together with the position. */
  async add(contents: readonly Content[], position: QueuePosition | undefined, signal?: AbortSignal): Promise<void> {
    await this.#keepUp();
    await this.#journal.writing((change) => this.#backlog.add(contents, position, change, signal), true);
    this.#pump();
  }

  /** Begins to send. */
  start(): void {
    this.#state = "sending";
    this.#setup.stop?.addEventListener("abort", this.#settle, { once: true });
    this.#ticker = setInterval(() => this.#tick(), SAVE_MS);
    if (this.#endpoint.disabled && this.#setup.finite) this.#fail(this.#disabledError());
    this.#pump();
  }

  /**
   * Resolves when the queue is empty, or no request may begin any more.
   *
   * @throws {FatalError} When that takes too long; the reason of `failure`.
   */
  async drain(): Promise<void> {
    this.failure.throwIfAborted();
    const { drainTimeoutMs: ms } = this.#setup;
    const { promise, reject } = this.#drained = Promise.withResolvers<void>();
    const late = () => reject(new FatalError(`Cannot deliver everything in ${ms / 1000} s: ${this.#waitingText()}`));
    const timer = ms > 0 ? setTimeout(late, ms) : undefined;
    this.#settle();
    await promise.finally(() => clearTimeout(timer));
  }

  /** Waits for requests that are under way, and writes everything down. */
  async close(): Promise<void> {
    this.#state = "closed";
    clearTimeout(this.#wake);
    clearInterval(this.#ticker);
    this.#setup.stop?.removeEventListener("abort", this.#settle);
    await Promise.all(this.#running);
    this.#poster[Symbol.dispose]();
    await this.#save();
  }

  /** What is going on. */
  figures(): Omit<WebhookFigures, "queue_bytes" | "backpressure"> {
    const now = this.#setup.clock();
    const { disabled, url: endpoint } = this.#endpoint;
    const { events } = this.#backlog;
    let oldest = now;
    for (const { createdAt } of this.#scheduler.requests()) oldest = Math.min(oldest, createdAt);
    return {
      delivered: this.#delivered,
      dead: this.#dead,
      waiting: events,
      endpoint,
      state: disabled ? "disabled" : "active",
      reason: disabled?.reason,
      since: disabled && new Date(disabled.since).toISOString(),
      breaker: this.#breaker.stage(now),
      breaker_since: this.#breaker.since,
      queue_events: events,
      oldest_seconds: (now - oldest) / 1000,
      parked_accounts: this.parkedAccounts,
      in_flight: this.#running.size,
      last_success_at: this.#lastSuccessAt,
      last_error: this.#lastError,
      requests: this.#counter.requests,
      durations: this.#counter.durations,
    };
  }

  /**
   * Gives requests a moment where there are more events than memory has room for: to read them from the file again costs more.
   * No longer than that, for reading must not wait for a receiver.
   */
  async #keepUp(): Promise<void> {
    if (!this.#backlog.isBehind || this.#running.size === 0) return;
    const { promise, resolve } = this.#caughtUp = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, KEEP_UP_MS);
    await promise;
    clearTimeout(timer);
  }

  #fail(error: unknown): void {
    this.#failure.abort(error);
    this.#drained?.reject(error);
  }

  /** Tells whoever waits for the end. */
  readonly #settle = (): void => {
    const empty = this.#backlog.events === 0 && this.#running.size === 0;
    if (empty || this.#setup.stop?.aborted) this.#drained?.resolve();
  };

  #tick(): void {
    const { clock, lookMs } = this.#setup;
    if (clock() - this.#lookedAt >= lookMs) {
      this.#lookedAt = clock();
      this.#backlog.look();
    }
    this.#endpoint.remind(this.#backlog.events);
    this.#save().catch((error) => this.#fail(error));
    this.#pump();
  }

  /** Writes down what has become of requests. A disk that is full is waited for. */
  async #save(): Promise<void> {
    try {
      await this.#journal.writing((change) => this.#setup.store.save(change));
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      this.#warn("queue", messageOf(error));
    }
  }

  /** Begins what may begin, and sees to it that it is called when more may. */
  #pump(): void {
    clearTimeout(this.#wake);
    this.#settle();
    if (!this.#backlog.isBehind) this.#caughtUp?.resolve();
    const { stop, clock } = this.#setup;
    if (this.#state !== "sending" || this.failure.aborted || stop?.aborted) return;
    const time = clock();
    const careful = this.#gate.isCareful(time);
    while (this.#running.size < this.#gate.allowed(time)) {
      const request = careful ? this.#scheduler.takeFreshest(time) : this.#scheduler.take(time);
      if (request === undefined) break;
      this.#run(request);
    }
    if (this.#backlog.hasMore && !this.#refilling) this.#refill();
    this.#wakeUp(time);
  }

  #run(request: Request): void {
    const job: Promise<void> = this.#send(request).catch((error) => this.#fail(error)).finally(() => {
      this.#running.delete(job);
      this.#pump();
    });
    this.#running.add(job);
  }

  #refill(): void {
    this.#refilling = true;
    this.#backlog.refill().catch((error) => this.#fail(error)).finally(() => {
      this.#refilling = false;
      this.#pump();
    });
  }

  /** Whoever is under way looks again at its end; else it is time that changes something. */
  #wakeUp(now: number): void {
    const due = this.#scheduler.nextDue();
    const open = this.#gate.opensAt(now);
    if (due === undefined || open === undefined || this.#running.size >= Math.max(1, this.#gate.allowed(now))) return;
    this.#wake = setTimeout(() => this.#pump(), Math.min(SAVE_MS, Math.max(due, open) - now));
  }

  async #send(request: Request): Promise<void> {
    const { batch, now, kill } = this.#setup;
    if (this.#journal.has(request)) await this.#save(); // so that a crash forgets no more than one attempt
    const content = this.#backlog.contentOf(request);
    const body = bodyOf(content, batch > 1);
    const id = webhookId(content.keys);
    const begun = now();
    request.firstAttemptAt ??= begun;
    const watch = performance.now();
    const answer = await this.#poster.post(body, this.#headersOf(id, Math.floor(begun / 1000), body), kill);
    if (kill?.aborted) return;
    const outcome = judge({ ...answer, text: this.#hide(answer.text) }, now());
    this.#counter.note(outcome.code, (performance.now() - watch) / 1000);
    if (outcome.kind === "delivered") this.#succeed(request);
    else await this.#disappoint(request, content, outcome);
    if (this.#journal.doneEvents >= SAVE_EVENTS) await this.#save();
  }

  #succeed(request: Request): void {
    this.#breaker.succeed();
    if (this.#endpoint.disabled?.reason !== "gone") this.#endpoint.enable();
    this.#rejectedInARow = 0;
    this.#lastSuccessAt = this.#setup.now();
    this.#delivered += request.count;
    this.#finish(request, 0);
  }

  #finish(request: Request, dead: number): void {
    this.#backlog.finish(request);
    this.#journal.done(request);
    this.#ratio.note(request.count, dead);
  }

  async #disappoint(request: Request, content: Content, outcome: Outcome): Promise<void> {
    const { kind, error, code } = outcome;
    this.#lastError = error;
    this.#warn(code, error);
    if (this.#endpoint.disabled !== undefined) {
      this.#endpoint.tried();
      this.#scheduler.park(request, this.#setup.clock());
    } else if (kind === "gone") this.#disable(request, kind, error);
    else if (kind === "rejected") await this.#reject(request, content, outcome);
    else if (kind !== "refused") await this.#retry(request, content, outcome);
    else if (this.#lastSuccessAt !== undefined) this.#disable(request, kind, error);
    else this.#fail(refusedError(this.#endpoint.url, error));
  }

  #disable(request: Request, reason: DisabledReason, error: string): void {
    this.#endpoint.disable(reason, error);
    this.#scheduler.park(request, this.#setup.clock());
    if (this.#setup.finite) this.#fail(this.#disabledError());
  }

  async #retry(request: Request, content: Content, outcome: Outcome): Promise<void> {
    const { clock, maxAttempts, retrySchedule: waits, random } = this.#setup;
    const time = Math.round(clock());
    this.#breaker.fail(time, outcome.waitForAll ? outcome.waitMs : 0);
    if (outcome.waitForAll) this.#breaker.hold(time + outcome.waitMs);
    if (outcome.kind === "event") request.attempts++;
    else request.deferrals++;
    if (maxAttempts > 0 && request.attempts >= maxAttempts) {
      return await this.#bury(request, content, outcome, "exhausted");
    }
    request.notBefore = time + waitAfter(request.attempts + request.deferrals, outcome, { waits, random });
    this.#journal.failed(request);
    await this.#backlog.park(request, request.notBefore);
  }

  /** An array is cut in halves until the guilty events are alone. */
  async #reject(request: Request, content: Content, outcome: Outcome): Promise<void> {
    this.#breaker.succeed();
    if (request.count > 1) {
      this.#journal.replaced(request);
      return await this.#backlog.cut(request, piecesOf(content, Math.ceil(request.count / 2)));
    }
    const tooMany = ++this.#rejectedInARow >= MOST_REJECTIONS;
    if (tooMany) this.#endpoint.disable("rejections", outcome.error);
    await this.#bury(request, content, outcome, `status_${outcome.code}`);
    if (tooMany && this.#setup.finite) this.#fail(this.#disabledError());
  }

  async #bury(request: Request, content: Content, outcome: Outcome, reason: string): Promise<void> {
    const { deadLetter, kill = new AbortController().signal } = this.#setup;
    const { error, status, response } = outcome;
    const cause = { reason, error, status, response, endpoint: this.#endpoint.url };
    await deadLetter(lettersOf(content, request, cause), { signal: kill });
    this.#dead += request.count;
    this.#finish(request, request.count);
  }

  #disabledError(): FatalError {
    return new FatalError(`Cannot go on: webhook ${this.#endpoint.url} is disabled, ${this.#waitingText()}`);
  }

  #waitingText(): string {
    return `${this.#backlog.events} events wait in ${this.#setup.store.file}`;
  }
}

function refusedError(url: string, error: string): ConfigError {
  return new ConfigError(`Cannot deliver to webhook ${url}: ${error}`, {
    hint: "Look at --webhook-bearer-token, --webhook-header and --webhook-secret",
  });
}
