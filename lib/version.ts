/**
 * What this program calls itself. `deno.json` says the same; a test compares them.
 *
 * @module
 */

/** The version, as in `deno.json`. */
export const VERSION = "0.1.0";

/** Where the project lives: servers see it in the `User-Agent`. */
export const PROJECT_URL = "https://github.com/org/bskyingest";

/** The `User-Agent` of every connection that this program opens. */
export const USER_AGENT = `bskyingest/${VERSION} (+${PROJECT_URL})`;
