/**
 * From handles to DIDs (https://atproto.com/specs/handle).
 *
 * @module
 */
import { isDid, isHandle } from "../atproto/syntax.ts";
import { ConfigError } from "../pipeline/errors.ts";
import { createAsk, type RequestOptions } from "./handles/ask.ts";
import { type IdentityServers, resolveHandle } from "./handles/resolve.ts";

export type { RequestOptions } from "./handles/ask.ts";
export type { IdentityServers } from "./handles/resolve.ts";

/** Options of {@link resolveHandles}. */
export interface ResolveHandlesOptions extends IdentityServers, RequestOptions {}

/** What {@link resolveHandles} found. */
export interface ResolvedHandles {
  /** In the order of the input, each once. */
  readonly dids: readonly string[];
  /** Handle, lower-cased, to DID; in the order of the input. */
  readonly resolved: ReadonlyMap<string, string>;
}

/** Handles that are worked on at a time. */
const CONCURRENCY = 8;

/**
 * Resolves handles, 8 at a time and each once; DIDs among them are taken as they are.
 *
 * @param values Handles and DIDs as users write them: spaces around, a leading `@` and capitals do not matter.
 * @throws {ConfigError} before any request for what is neither; afterwards for all handles that do not exist, or that their DID
 * does not claim.
 * @throws {TransientError} where a server was in trouble for `limitMs`.
 */
export async function resolveHandles(
  values: readonly string[],
  options: ResolveHandlesOptions,
): Promise<ResolvedHandles> {
  const wanted = [...new Set(values.filter((each) => each.trim() !== "").map(normalize))];
  checkSyntax(wanted);
  const resolved = await resolveAll(wanted.filter((each) => !isDid(each)), options);
  return { dids: [...new Set(wanted.map((each) => resolved.get(each) ?? each))], resolved };
}

function normalize(text: string): string {
  const plain = text.trim().replace(/^@/, "");
  return plain.startsWith("did:") ? plain : plain.toLowerCase();
}

function checkSyntax(wanted: readonly string[]): void {
  const [first, ...others] = wanted.flatMap((each) => {
    if (each.startsWith("did:")) return isDid(each) ? [] : [`Cannot use DID "${each}": it is not a DID`];
    return isHandle(each) ? [] : [`Cannot use handle "${each}": it must be a name such as alice.bsky.social`];
  });
  if (first !== undefined) throw new ConfigError([first, ...others]);
}

async function resolveAll(handles: readonly string[], options: ResolveHandlesOptions): Promise<Map<string, string>> {
  const found = new Map<string, string>(), failed = new Map<string, string>();
  const trouble = new AbortController();
  const signal = AbortSignal.any([options.signal, trouble.signal]);
  const queue = handles.values();
  const work = async () => {
    for (const handle of queue) {
      const resolution = await resolveHandle(handle, options, createAsk(handle, { ...options, signal }));
      if ("did" in resolution) found.set(handle, resolution.did);
      else failed.set(handle, resolution.why);
    }
  };
  // What stops one stops all: the run cannot begin without it.
  await Promise.all(Array.from({ length: CONCURRENCY }, () => work().catch((error) => trouble.abort(error))));
  // A handle that does not exist outweighs a server's trouble: no later attempt can succeed.
  if (failed.size > 0) {
    const all = handles.flatMap((handle) => failed.has(handle) ? [`${handle} (${failed.get(handle)})`] : []);
    throw new ConfigError(`Cannot resolve ${all.length === 1 ? "handle" : "handles"}: ${all.join(", ")}`);
  }
  if (trouble.signal.aborted) throw trouble.signal.reason;
  return new Map(handles.map((handle) => [handle, found.get(handle)!]));
}
