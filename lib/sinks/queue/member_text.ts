/**
 * Cutting the object of an event out of the text in which it was received: as quick as printing it again, and exact.
 *
 * @module
 */

/** All that Jetstream writes before the object, in its order (https://github.com/bluesky-social/jetstream). */
const HEAD = /^\{"did":"[^"\\]*","time_us":\d+,(?:"cursor":\d+,)?"kind":"(\w+)","(\w+)":\{/;

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN = 0x7b, CLOSE = 0x7d;

/**
 * The text of the member `kind` of an event's JSON text, where that is its last member and the members before it are those that
 * Jetstream sends; otherwise `undefined`.
 *
 * @param json Valid JSON.
 */
export function memberText(json: string, kind: string): string | undefined {
  const head = HEAD.exec(json);
  if (head === null || head[1] !== kind || head[2] !== kind) return undefined;
  const start = head[0].length - 1;
  const end = objectEnd(json, start);
  return end === json.length - 1 ? json.slice(start, end) : undefined;
}

/** The place behind the object that begins at `start`. */
function objectEnd(json: string, start: number): number {
  let depth = 0;
  for (let i = start; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) i = stringEnd(json, i);
    else if (code === OPEN) depth++;
    else if (code === CLOSE && --depth === 0) return i + 1;
  }
  return json.length;
}

/** The place of the quote that ends the string which begins at `start`. */
function stringEnd(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1);; end = json.indexOf('"', end + 1)) {
    if (end < 0) return json.length;
    let backslashes = 0;
    while (json.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}
