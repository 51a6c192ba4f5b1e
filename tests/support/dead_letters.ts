/**
 * Dead letters that a test makes itself.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Letter } from "../../lib/pipeline/deliver.ts";
import { PoisonError } from "../../lib/pipeline/errors.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";

const ORIGIN = { source: "jetstream", wire: "v1", host: "h.test" } as const;
const ERROR = new PoisonError("too_early", "Cannot do this: not yet");

/** The text of an event on the v1 wire; `n` is in its DID and its time. */
export function eventText(n: number, text = "hello"): string {
  const record = { $type: "app.bsky.feed.post", text, createdAt: "2026-01-01T00:00:00Z" };
  const commit = { rev: "3l3qo2vutsw2b", operation: "create", collection: "app.bsky.feed.post", rkey: "k", record };
  return JSON.stringify({ did: `did:plc:${n}`, time_us: 1_750_000_000_000_000 + n, kind: "commit", commit });
}

/** What a source could not read. */
export function unread(raw: string | Uint8Array): Letter {
  return { stage: "source", error: ERROR, raw, detail: { host: ORIGIN.host, wire: ORIGIN.wire, position: null } };
}

/** What a filter, or a sink, refused. */
export function refused(stage: string, text: string): Letter {
  const { did, time_us, kind, commit } = JSON.parse(text);
  const item: AnyEvent = { did, time_us, kind, commit, origin: ORIGIN, raw: text };
  return { stage, error: ERROR, item };
}

/** The dead letter that `jetstream` has in a home. */
export function deadLetterIn(home: string): string {
  return `${home}/.local/state/bskyingest/dead-letter/jetstream.ndjson`;
}

/** Writes entries as a run of `jetstream` would, and gives the file back. */
export async function fillDeadLetter(home: string, letters: readonly Letter[]): Promise<string> {
  const path = deadLetterIn(home);
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const dead = await openDeadLetter({ path, maxBytes: 2 ** 30, command: "jetstream", key: "jetstream" });
  await dead.append(letters, { signal: new AbortController().signal });
  return path;
}
