/**
 * The list of one host, page by page.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { AnyEvent, Origin } from "../../atproto/event.ts";
import { CERTIFICATE_HINT, isCertificateFault } from "../../net/certificate.ts";
import { getChosen } from "../../net/get.ts";
import type { Batch, Cursor, Gap } from "../../pipeline/batch.ts";
import { ConfigError, FatalError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { delay } from "../../pipeline/retry.ts";
import type { Endpoint } from "../live/endpoint.ts";
import type { HostReadingStats } from "../live/hosts.ts";
import { type Ask, BadPage } from "./bad_page.ts";
import { DONE } from "./done.ts";
import type { ListPlan } from "./options.ts";
import { type Page, readPage } from "./page.ts";

const log = getLogger(["bskyingest", "list_repos"]);

/** Cursors that were sent are remembered, and so many empty pages in a row are no list. */
const MOST_SENT = 1000, MOST_EMPTY = 100;
const MOST_PAGE_BYTES = 16 * 1024 * 1024;
/** Of a server's words so many characters are shown. */
const MOST_WORDS = 200;

/** What a lister works with. */
export interface ListerContext {
  readonly plan: ListPlan;
  readonly endpoint: Endpoint;
  /** Under which its position is saved. */
  readonly key: string;
  /** Reads the saved position; undefined: nobody keeps positions. */
  readonly load: (() => Promise<Cursor | undefined>) | undefined;
  readonly stats: HostReadingStats;
  readonly stop: AbortSignal;
}

/** Reads one list. */
export class Lister {
  readonly #context: ListerContext;
  readonly #origin: Origin;
  readonly #badPage: BadPage;
  #cursor: Cursor | undefined;
  #sent: string[] = [];
  #empty = 0;
  /** Whether the page before led back to a cursor that was sent. */
  #looped = false;
  #attempt = 0;
  #answered = false;

  /** @param cursor The saved position. */
  constructor(context: ListerContext, cursor: Cursor | undefined) {
    const { plan: { pageSize, skipBadPages, now }, endpoint: { host } } = context;
    this.#context = context;
    this.#origin = Object.freeze({ source: "backfill", wire: "relay", host });
    this.#badPage = new BadPage(pageSize, skipBadPages, now);
    this.#cursor = cursor;
  }

  /** Ends behind the last page, or when `stop` has aborted. */
  async *batches(): AsyncGenerator<Batch<AnyEvent>, void> {
    const { stop, plan, key } = this.#context;
    try {
      while (!stop.aborted) {
        if (this.#cursor !== DONE) {
          yield* this.#page();
          continue;
        }
        this.#sayDone();
        if (plan.recheckMs === undefined) return;
        while (this.#cursor === DONE && !stop.aborted) await this.#recheck(plan.recheckMs);
      }
    } catch (error) {
      yield { key, items: [], cursor: undefined, urgent: true };
      throw error;
    }
  }

  #sayDone(): void {
    const { host } = this.#origin;
    log.info("The list of {host} has been read to its end; --restart reads it anew", { host });
  }

  /** Somebody else may have reset the position. */
  async #recheck(ms: number): Promise<void> {
    const { load, stop } = this.#context;
    await delay(ms, stop).catch(() => {});
    if (stop.aborted || load === undefined) return;
    try {
      const cursor = await load();
      if (cursor !== DONE) this.#begin(cursor);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      log.warn("Cannot look whether the position was reset: {why}", { why: messageOf(error) });
    }
  }

  #begin(cursor: Cursor | undefined): void {
    this.#cursor = cursor;
    this.#sent = [];
  }

  async *#page(): AsyncGenerator<Batch<AnyEvent>, void> {
    const { key, stats, stop, endpoint: { host } } = this.#context;
    const ask = this.#badPage.ask(this.#cursor);
    stats.host = host;
    let page: Page;
    try {
      page = await this.#get(ask);
    } catch (error) {
      if (stop.aborted) return;
      if (!(error instanceof TransientError)) throw error;
      return await this.#wait(error);
    }
    this.#attempt = 0;
    if (!this.#badPage.succeeded() || this.#leadsBack(ask, page)) return;
    stats.connected = true;
    stats.links[0].open();
    const gaps = ask.skips ? [this.#gapBefore(ask.cursor!)] : [];
    const next = page.next ?? DONE;
    this.#countEmpty(page);
    this.#cursor = next;
    yield {
      key,
      items: page.events,
      cursor: next,
      joined: () => true, // no position says "in the middle of a page"
      ...(page.poison.length > 0 && { poison: page.poison }),
      ...(gaps.length > 0 && { gaps }),
      ...(next === DONE && { end: true }),
    };
  }

  /**
   * Asks for a page.
   *
   * @throws {TransientError} for whatever another attempt may change, and {@link ConfigError} for the rest.
   */
  async #get({ cursor, limit }: Ask): Promise<Page> {
    const { plan, endpoint: { http }, stats, stop } = this.#context;
    const url = new URL(`${http}/xrpc/com.atproto.sync.listRepos?limit=${limit}`);
    if (cursor !== undefined) url.searchParams.set("cursor", cursor);
    const bounds = { timeoutMs: plan.timeoutMs, maxBytes: MOST_PAGE_BYTES, signal: stop };
    const answer = await getChosen(url.href, bounds, plan.fetch);
    if ("refused" in answer) {
      const { refused } = answer;
      throw isCertificateFault(refused)
        ? this.#refusal(refused, false, { hint: CERTIFICATE_HINT })
        : this.#refusal(refused, true);
    }
    const { status, body, retryAfterMs } = answer;
    stats.bytesReceived += body.length;
    stats.links[0].receive(body.length);
    if (status === 200) {
      const page = readPage(body, this.#origin, cursor, plan.now() * 1000);
      this.#answered = true;
      return page;
    }
    const words = `HTTP ${status}${body.trim() === "" ? "" : `: ${body.trim().slice(0, MOST_WORDS)}`}`;
    if (status >= 500) this.#badPage.failed(this.#cursor);
    throw this.#refusal(words, status === 408 || status === 429 || (status >= 500 && status !== 501), { retryAfterMs });
  }

  /** What cannot heal ends a run, but not one that worked before: then it is the server that changed. */
  #refusal(
    words: string,
    mayHeal: boolean,
    { retryAfterMs, hint }: { readonly retryAfterMs?: number | undefined; readonly hint?: string } = {},
  ): Error {
    if (mayHeal || this.#answered) return new TransientError(words, { retryAfterMs });
    return new ConfigError(`Cannot list the repos of ${this.#origin.host}: ${words}`, { hint });
  }

  async #wait({ message, retryAfterMs }: TransientError): Promise<void> {
    const { plan, stop, stats, endpoint: { host } } = this.#context;
    stats.connected = false;
    const failure = new TransientError(`Cannot list the repos of ${host}: ${message}`, { retryAfterMs });
    stats.links[0].end("failed");
    stats.links[0].fail(failure.message);
    const ms = plan.backoff(this.#attempt++, failure);
    if (ms === undefined) throw failure;
    log.warn("{why}. Asking again in {ms} ms", { why: failure.message, ms: Math.round(ms) });
    await delay(ms, stop).catch(() => {});
  }

  /**
   * Whether a page leads to one that was read: it is asked for once more.
   *
   * @throws {FatalError} when it does so again.
   */
  #leadsBack({ cursor }: Ask, { next }: Page): boolean {
    if (cursor !== undefined && this.#sent.at(-1) !== cursor) this.#sent.push(cursor);
    if (this.#sent.length > MOST_SENT) this.#sent.shift();
    if (next === undefined || !this.#sent.includes(next)) return this.#looped = false;
    const { host } = this.#origin;
    const words = `the page at cursor ${cursor} leads back to ${next}`;
    if (this.#looped) throw new FatalError(`Cannot list the repos of ${host}: ${words}, twice`);
    log.warn("{host}: {words}. Asking once more", { host, words });
    return this.#looped = true;
  }

  #countEmpty({ entries, next }: Page): void {
    this.#empty = entries === 0 ? this.#empty + 1 : 0;
    if (this.#empty >= MOST_EMPTY && next !== undefined) {
      throw new FatalError(`Cannot list the repos of ${this.#origin.host}: ${MOST_EMPTY} pages in a row are empty`);
    }
  }

  /** The entry that was left out. */
  #gapBefore(cursor: string): Gap {
    const { host } = this.#origin;
    const at = Number(cursor);
    return { source: "backfill", host, unit: "page", from: at - 1, to: at, reason: "page", state: "open" };
  }
}
