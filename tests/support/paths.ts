/**
 * Where things are in this repository.
 *
 * @module
 */

/** A file URL as a path. */
export function fromFileUrl(url: URL): string {
  return decodeURIComponent(url.pathname).replace(/\/$/, "");
}

/** The repository's top folder. */
export const ROOT: string = fromFileUrl(new URL("../..", import.meta.url));
