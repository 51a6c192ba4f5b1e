/**
 * Lua scripts, known to the server by their hash.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A script. */
export interface LuaScript {
  readonly text: string;
  /** SHA-1 of the text, hexadecimal. */
  readonly sha: string;
}

/** Makes one of its text. */
export function luaScript(text: string): LuaScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
