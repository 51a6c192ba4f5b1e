/**
 * Syntax of the identifiers of AT Protocol, as its specifications define it.
 *
 * @module
 */

const DID = /^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$/;
const NSID =
  /^[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+\.[a-zA-Z][a-zA-Z0-9]{0,62}$/;
const HANDLE = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const NSID_HEAD = /^[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** Whether a text is a DID (https://atproto.com/specs/did): 2,048 bytes at most. */
export function isDid(text: string): boolean {
  return text.length <= 2048 && DID.test(text);
}

/** Whether a text is a handle (https://atproto.com/specs/handle): a host name of two labels or more, 253 characters at most. */
export function isHandle(text: string): boolean {
  return text.length <= 253 && HANDLE.test(text);
}

/** Whether a text is an NSID (https://atproto.com/specs/nsid): 317 characters at most. */
export function isNsid(text: string): boolean {
  return text.length <= 317 && NSID.test(text);
}

/** The head of a wildcard `x.y.*` without its `.*`, or `undefined` where the text is none. */
export function wildcardHead(text: string): string | undefined {
  if (!text.endsWith(".*")) return undefined;
  const head = text.slice(0, -2);
  return NSID_HEAD.test(head) ? head : undefined;
}
