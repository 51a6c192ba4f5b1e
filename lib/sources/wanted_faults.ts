/**
 * What is wrong with the names that a user wants events by: a sentence for each fault, the same for every source.
 *
 * @module
 */
import { KINDS } from "../atproto/event.ts";
import { isDid, isNsid, wildcardHead } from "../atproto/syntax.ts";

const OPERATIONS: readonly string[] = ["create", "update", "delete"];

/** Of kinds of events. */
export function kindFaults(kinds: readonly string[]): string[] {
  return among("kind", kinds, KINDS);
}

/** Of operations of commits. */
export function operationFaults(operations: readonly string[]): string[] {
  return among("operation", operations, OPERATIONS);
}

function among(what: string, given: readonly string[], known: readonly string[]): string[] {
  if (given.length === 0) return [`Cannot use an empty list of ${what}s: name at least one`];
  return given.filter((name) => !known.includes(name))
    .map((name) => `Cannot use ${what} "${name}": it must be one of ${known.join(", ")}`);
}

/** Of accounts. */
export function didFaults(dids: readonly string[]): string[] {
  return dids.filter((did) => !isDid(did)).map((did) => `Cannot use DID "${did}": it is not a DID`);
}

/** Of collections, or `all`. */
export function collectionFaults(collections: readonly string[]): string[] {
  if (collections.includes("all")) {
    return collections.length === 1
      ? []
      : ['Cannot use "all" beside other collections: it stands for every collection'];
  }
  return collections.filter((name) => !isNsid(name) && wildcardHead(name) === undefined)
    .map((name) => `Cannot use collection "${name}": it must be an NSID or "x.y.*"; "all" means every collection`);
}
