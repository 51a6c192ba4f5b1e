/**
 * The definitions of the built-in lexicons, for documents that refer to them.
 *
 * @module
 */
import * as atproto from "@atcute/atproto";
import * as bluesky from "@atcute/bluesky";
import type { Schema } from "./schemas.ts";

const MODULES = new Map<string, object>(Object.entries({ ...atproto, ...bluesky }));

/** `main` or another definition of a lexicon of `app.bsky.*`, `chat.bsky.*`, `com.atproto.*`; `undefined`: there is none. */
export function builtInDefinition(nsid: string, name: string): Schema | undefined {
  // The packages name their modules after the NSIDs, and what these export after the definitions.
  const module = MODULES.get(nsid.replaceAll(/(?:^|\.)(.)/g, (_, first: string) => first.toUpperCase()));
  const schema = (module as Record<string, Schema | { readonly kind: "metadata" }> | undefined)?.[`${name}Schema`];
  return schema?.kind === "schema" ? schema : undefined;
}
