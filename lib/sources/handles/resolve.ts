/**
 * One handle: who it belongs to, and whether that account claims it.
 *
 * @module
 */
import { isDid, isHandle } from "../../atproto/syntax.ts";
import { resolveTxt as lookUpTxt } from "../../net/dns.ts";
import { getChosen, getPublic } from "../../net/get.ts";
import type { Ask } from "./ask.ts";

/** Who is asked. */
export interface IdentityServers {
  /** Where `com.atproto.identity.resolveHandle` is asked first. */
  readonly resolverUrl: string;
  /** The directory of `did:plc`. */
  readonly plcUrl: string;
  /** Ask hosts of handles and of `did:web` also at private addresses. */
  readonly allowPrivate: boolean;
  /** For the two servers above. Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** For hosts of handles and of `did:web`. */
  readonly getPublic?: typeof getPublic;
  /** TXT records of a name. Default: the system's resolver. */
  readonly resolveTxt?: typeof lookUpTxt;
}

/** Who a handle belongs to, or why that cannot be said. */
export type Resolution = { readonly did: string } | { readonly why: string };

const MOST_ANSWER_BYTES = 64 * 1024, MOST_WELL_KNOWN_BYTES = 2048, MOST_DOCUMENT_BYTES = 256 * 1024;

/** Top-level domains that mean nothing outside: no DNS and no https for them. */
const LOCAL_TLDS: readonly string[] = [
  ...["test", "local", "localhost", "invalid", "example", "onion", "internal", "arpa", "alt"],
];

const DID_WEB = /^did:web:([a-zA-Z0-9.-]+)(?:%3[aA](\d{1,5}))?$/;

/**
 * Asks the resolver, then DNS, then the handle's own host; whatever they say, the DID's document must claim the handle.
 *
 * @param handle Lower-cased.
 */
export async function resolveHandle(handle: string, servers: IdentityServers, ask: Ask): Promise<Resolution> {
  const found = await askResolver(handle, servers, ask) ??
    (isLocal(handle) ? undefined : await askDns(handle, servers, ask) ?? await askHost(handle, servers, ask)) ??
    { why: "the resolver does not know it" };
  if ("why" in found) return found;
  const why = await checkBack(handle, found.did, servers, ask);
  return why === undefined ? found : { why };
}

function isLocal(handle: string): boolean {
  return LOCAL_TLDS.includes(handle.slice(handle.lastIndexOf(".") + 1));
}

/** `undefined`: it cannot resolve the handle, others may. */
async function askResolver(handle: string, servers: IdentityServers, ask: Ask): Promise<Resolution | undefined> {
  const { resolverUrl, fetch } = servers;
  const url = `${withoutSlash(resolverUrl)}/xrpc/com.atproto.identity.resolveHandle?handle=${handle}`;
  const answer = await ask(hostOf(url), (o) => getChosen(url, { ...o, maxBytes: MOST_ANSWER_BYTES }, fetch));
  if ("refused" in answer) return { why: `${hostOf(url)} cannot be used: ${answer.refused}` };
  if (answer.status === 400 || answer.status === 404) return undefined;
  if (answer.status !== 200) return { why: `${hostOf(url)} answers ${answer.status}` };
  const did = memberOf(answer.body, "did");
  return typeof did === "string" && isDid(did) ? { did } : { why: `${hostOf(url)} answers without a DID` };
}

async function askDns(handle: string, { resolveTxt = lookUpTxt }: IdentityServers, ask: Ask) {
  const records = await ask("DNS", ({ signal, timeoutMs }) => resolveTxt(`_atproto.${handle}`, { signal, timeoutMs }));
  const [value, ...others] = new Set(records.flatMap((text) => text.startsWith("did=") ? [text.slice(4)] : []));
  if (value === undefined) return undefined;
  if (others.length > 0) return { why: `DNS names ${others.length + 1} DIDs` };
  return isDid(value) ? { did: value } : { why: "what DNS names is no DID" };
}

async function askHost(handle: string, servers: IdentityServers, ask: Ask): Promise<Resolution> {
  const { allowPrivate, getPublic: get = getPublic } = servers;
  const url = `https://${handle}/.well-known/atproto-did`;
  const answer = await ask(handle, (o) => get(url, { ...o, allowPrivate, maxBytes: MOST_WELL_KNOWN_BYTES }));
  const nowhere = "neither the resolver nor DNS knows it, and its host";
  if ("refused" in answer) return { why: `${nowhere} cannot be asked: ${answer.refused}` };
  if (answer.status !== 200) return { why: `${nowhere} answers ${answer.status}` };
  const did = answer.body.split("\n", 1)[0]!.trim();
  return isDid(did) ? { did } : { why: `${nowhere} answers without a DID` };
}

/** Why the account cannot be said to have the handle. */
async function checkBack(
  handle: string,
  did: string,
  { plcUrl, allowPrivate, fetch, getPublic: get = getPublic }: IdentityServers,
  ask: Ask,
): Promise<string | undefined> {
  const [, webHost, port] = DID_WEB.exec(did) ?? [];
  if (webHost === undefined && !did.startsWith("did:plc:")) return `its DID ${did} is of no method that is in use`;
  const url = webHost === undefined
    ? `${withoutSlash(plcUrl)}/${did}`
    : `https://${webHost}${port === undefined ? "" : `:${port}`}/.well-known/did.json`;
  const bounds = { maxBytes: MOST_DOCUMENT_BYTES, allowPrivate };
  const answer = await ask(
    hostOf(url),
    (o) => webHost === undefined ? getChosen(url, { ...o, ...bounds }, fetch) : get(url, { ...o, ...bounds }),
  );
  if ("refused" in answer) return `the document of ${did} cannot be read: ${answer.refused}`;
  if (answer.status === 410) return `${did} is deactivated`;
  if (answer.status === 404) return `${did} has no document`;
  if (answer.status !== 200) return `the document of ${did} cannot be read: ${hostOf(url)} answers ${answer.status}`;
  const claimed = claimedHandle(answer.body);
  if (claimed === handle) return undefined;
  return `${did} claims ${claimed !== undefined && isHandle(claimed) ? claimed : "no handle"}`;
}

/** The first `at://` name of a DID document, which is the one that counts. */
function claimedHandle(document: string): string | undefined {
  const names = memberOf(document, "alsoKnownAs");
  if (!Array.isArray(names)) return undefined;
  const first = names.find((name) => typeof name === "string" && name.startsWith("at://"));
  return first?.slice("at://".length).toLowerCase();
}

/** A member of a JSON object, `undefined` where the text is none. */
function memberOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text)?.[name];
  } catch {
    return undefined;
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

function hostOf(url: string): string {
  return new URL(url).host;
}
