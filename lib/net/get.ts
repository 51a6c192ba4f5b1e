/**
 * GET requests for short texts: one for servers that the user named, one for hosts that somebody outside named.
 *
 * @module
 */
import { Agent, get } from "node:https";
import type { IncomingMessage } from "node:http";
import { USER_AGENT } from "../version.ts";
import { ConfigError, messageOf, TransientError } from "../pipeline/errors.ts";
import { isCertificateFault } from "./certificate.ts";
import { checkHostname, guardedLookup, type GuardOptions, PrivateAddressError } from "./guard.ts";
import { hostAndPort, isDenied, requireNet } from "./permission.ts";
import { retryAfterMs } from "./retry_after.ts";

/** What became of a request that another attempt would not change: an answer, or why there can be none. */
export type GetResult =
  | { readonly status: number; readonly retryAfterMs: number | undefined; readonly body: string }
  | { readonly refused: string };

/** Bounds of a request. */
export interface GetOptions {
  /** For everything, redirects and body included, in milliseconds. */
  readonly timeoutMs: number;
  /** Of a 200's body. Of others, which say what is wrong, {@link getChosen} reads the beginning, and {@link getPublic} nothing. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Options of {@link getPublic}. */
export interface GetPublicOptions extends GetOptions, GuardOptions {
  /** Certificates (PEM) to trust in place of the system's. */
  readonly ca?: string;
}

/** The words of a server that does not answer with 200 are read where they are no longer than this, in bytes. */
const MOST_WORDS = 8192;
/** The most redirects that {@link getPublic} follows. */
const MOST_REDIRECTS = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const HEADERS = { "User-Agent": USER_AGENT, "Accept": "*/*" };

/**
 * Asks a server that the user chose, wherever it is; redirects are followed as `fetch` does.
 *
 * @throws {TransientError} for network trouble and when time is up; the signal's reason when that aborts.
 * @throws {ConfigError} where this program must not reach the server.
 */
export function getChosen(url: string, options: GetOptions, fetch = globalThis.fetch): Promise<GetResult> {
  return bounded(options, async (signal) => {
    requireNet(hostAndPort(new URL(url)));
    const response = await fetch(url, { headers: HEADERS, signal });
    const { status, headers } = response;
    const body = status === 200
      ? await readBody(response.body ?? [], options.maxBytes)
      : await readBody(response.body ?? [], MOST_WORDS).catch(() => undefined) ?? "";
    return body === undefined
      ? { refused: tooLarge(options) }
      : { status, retryAfterMs: retryAfterMs(headers.get("retry-after")), body };
  });
}

/**
 * Asks a host that somebody outside named, over https: it and every host that it redirects to (three times at most) must have
 * public addresses.
 *
 * @throws {TransientError} for network trouble and when time is up; the signal's reason when that aborts.
 * @throws {ConfigError} where this program must not look a host up, or reach it.
 */
export function getPublic(url: string, options: GetPublicOptions): Promise<GetResult> {
  return bounded(options, async (signal) => {
    const agent = new Agent({ lookup: guardedLookup(options) });
    let target = new URL(url);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      checkHostname(target.hostname, options);
      const response = await send(target, agent, options.ca, signal);
      const { statusCode: status = 0, headers } = response;
      if (REDIRECTS.includes(status) && headers.location !== undefined) {
        response.destroy();
        if (!URL.canParse(headers.location, target.href)) return { refused: "it redirects to what is no URL" };
        target = new URL(headers.location, target);
        if (target.protocol !== "https:") return { refused: `it redirects to ${target.protocol}//` };
        continue;
      }
      const body = status === 200 ? await readBody(response, options.maxBytes) : "";
      response.destroy();
      return body === undefined
        ? { refused: tooLarge(options) }
        : { status, retryAfterMs: retryAfterMs(headers["retry-after"]), body };
    }
    return { refused: `it redirects more than ${MOST_REDIRECTS} times` };
  });
}

function tooLarge({ maxBytes }: GetOptions): string {
  return `it answers with more than ${maxBytes} bytes`;
}

/** Resolves when the head of the answer is there. */
function send(url: URL, agent: Agent, ca: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: HEADERS, signal, ...(ca !== undefined && { ca }) }, resolve).on("error", reject);
  });
}

/** `undefined` where it is too large. */
async function readBody(chunks: AsyncIterable<Uint8Array> | [], maxBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "", size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Gives the work its time, and sorts out what it throws. */
async function bounded(
  { timeoutMs, signal }: GetOptions,
  work: (signal: AbortSignal) => Promise<GetResult>,
): Promise<GetResult> {
  signal.throwIfAborted();
  const timeUp = AbortSignal.timeout(timeoutMs);
  try {
    return await work(AbortSignal.any([signal, timeUp]));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ConfigError) throw error;
    if (timeUp.aborted) throw new TransientError(`No answer within ${timeoutMs / 1000} s`, { cause: error });
    const cause = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
    // A redirect, or an address: what was asked for by name may be elsewhere.
    if (isDenied(messageOf(cause))) {
      throw new ConfigError(messageOf(cause), { cause: error, hint: "Run with --allow-net" });
    }
    const refused = refusalOf(cause);
    if (refused !== undefined) return { refused };
    throw new TransientError(messageOf(cause), { cause: error });
  }
}

/** What another attempt would not change. */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof PrivateAddressError) return messageOf(error);
  const { code } = error as { readonly code?: string };
  if (code === "ENOTFOUND") return "there is no host of that name";
  if (!isCertificateFault(error)) return undefined;
  // `fetch` has no codes.
  const words = messageOf(error).replace(/.*invalid peer certificate: /, "");
  return `its certificate is not accepted (${code ?? words})`;
}
