/**
 * What resolves handles, made up: a resolver, a directory, DNS, hosts, and a clock that only waiting moves.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { getPublic, GetResult } from "../../lib/net/get.ts";
import { ConfigError, TransientError } from "../../lib/pipeline/errors.ts";
import { resolveHandles, type ResolveHandlesOptions } from "../../lib/sources/handles.ts";

const RESOLVER = "https://resolver.example", PLC = "https://plc.example/base/";

/** What the world answers, by what is asked: a text is a 200, a number a status, a list one answer after the other. */
export type Answer = string | number | Response | Error | readonly Answer[];

/** Everything that is not named here is not there. */
export interface World {
  /** Handle to what the resolver says; a DID stands for the right answer. Default: 400. */
  readonly resolver?: Readonly<Record<string, Answer>>;
  /** DID to what its document claims (a handle), or an answer. Default: 404. */
  readonly documents?: Readonly<Record<string, Answer>>;
  /** Name to TXT records. */
  readonly dns?: Readonly<Record<string, readonly string[] | Error>>;
  /** URL to answer, for public hosts. Default: no such host. */
  readonly hosts?: Readonly<Record<string, string | number | Error | GetResult>>;
}

/** Options that lead to a world, everything that was asked of it, and the time that it took. */
export function world({ resolver = {}, documents = {}, dns = {}, hosts = {} }: World) {
  const asked: string[] = [], allowed = new Set<boolean>();
  const served = new Map<string, number>();
  let now = 1_000_000;
  const pick = (answer: Answer, key: string): Exclude<Answer, readonly Answer[]> => {
    if (!Array.isArray(answer)) return answer as Exclude<Answer, readonly Answer[]>;
    const n = served.get(key) ?? 0;
    served.set(key, n + 1);
    return answer[Math.min(n, answer.length - 1)];
  };
  const respond = (answer: Answer, key: string, ok: (text: string) => string) => {
    const picked = pick(answer, key);
    if (picked instanceof Error) throw picked;
    if (picked instanceof Response) return picked.clone();
    return typeof picked === "number" ? new Response("x", { status: picked }) : new Response(ok(picked));
  };
  const fetch = (input: string | URL | Request) => {
    const url = String(input);
    asked.push(url.replace(RESOLVER, "").replace(PLC, "plc/"));
    const handle = new URL(url).searchParams.get("handle");
    if (handle !== null) {
      const answer = resolver[handle] ?? 400;
      return Promise.resolve().then(() => respond(answer, handle, (did) => /^did:/.test(did) ? json({ did }) : did));
    }
    const did = url.slice(PLC.length);
    return Promise.resolve().then(() =>
      respond(documents[did] ?? 404, did, (text) => text.startsWith("{") ? text : documentOf(text))
    );
  };
  const options: ResolveHandlesOptions = {
    resolverUrl: RESOLVER,
    plcUrl: PLC,
    allowPrivate: false,
    limitMs: 30_000,
    signal: new AbortController().signal,
    backoff: (attempt, error) =>
      Math.max(error instanceof TransientError ? error.retryAfterMs ?? 0 : 0, 250 * 2 ** attempt),
    now: () => now,
    delay(ms) {
      now += ms;
      return Promise.resolve();
    },
    fetch: fetch as typeof globalThis.fetch,
    resolveTxt(name) {
      asked.push(`dns ${name}`);
      const records = dns[name] ?? [];
      return records instanceof Error ? Promise.reject(records) : Promise.resolve(records);
    },
    getPublic: ((url, { maxBytes, allowPrivate }) => {
      asked.push(url);
      allowed.add(allowPrivate);
      assert.equal(maxBytes, url.endsWith("/atproto-did") ? 2048 : 256 * 1024);
      const answer = hosts[url] ?? { refused: "there is no host of that name" };
      if (answer instanceof Error) return Promise.reject(answer);
      if (typeof answer === "object") return Promise.resolve(answer);
      const found = typeof answer === "number" ? { status: answer, body: "" } : { status: 200, body: answer };
      return Promise.resolve({ ...found, retryAfterMs: undefined });
    }) as typeof getPublic,
  };
  return { options, asked, allowed, elapsed: () => now - 1_000_000 };
}

/** JSON text. */
export const json = (value: unknown) => JSON.stringify(value);
/** The DID document of an account that claims a handle. */
export const documentOf = (handle: string) => json({ alsoKnownAs: [`at://${handle}`] });

/** Accounts. */
export const ALICE = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", BOB = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";
/** What a resolution that fails for good says. */
export async function faultsOf(values: readonly string[], options: ResolveHandlesOptions): Promise<string> {
  const error = await resolveHandles(values, options).then(() => undefined, (error) => error);
  assert(error instanceof ConfigError, String(error));
  return error.faults.join("\n");
}
