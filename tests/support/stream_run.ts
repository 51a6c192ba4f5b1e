/**
 * What runs of `firehose`, `labeler` and `backfill` leave behind, for tests of the program.
 *
 * @module
 */
import { type AnyEvent, type CommitEvent, toJson } from "../../lib/atproto/event.ts";
import { splitFrame } from "../../lib/atproto/frame.ts";
import { frameEvents } from "../../lib/atproto/frame_events.ts";
import { decodeRepoMessage } from "../../lib/atproto/repo_message.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import { listCursors } from "../../lib/state/cursors_table.ts";
import { listGaps } from "../../lib/state/gaps.ts";
import type { RedisClient } from "./redis.ts";
import { EPOCH_US, readBack } from "./sqlite.ts";

/** The database of a run in a folder that names no other. */
export const dbIn = (folder: string): string => `${folder}/bskyingest.db`;

/** The events of a database, as text, in their order. */
export function eventsIn(folder: string): string[] {
  return readBack<{ json: string }>(dbIn(folder), "SELECT json FROM events ORDER BY position").map(({ json }) => json);
}

/** The positions of a database, by key. */
export function cursorsIn(folder: string): Record<string, string> {
  return Object.fromEntries(listCursors(dbIn(folder)).map(({ key, cursor }) => [key, cursor]));
}

/** The gaps of a database, open or not, in short. */
export function gapsIn(folder: string) {
  return listGaps(dbIn(folder), { all: true }).map(({ reason, from, to, state }) => [reason, from, to, state]);
}

/** What the log of a run says it asked servers for: `live`, or `from` and a number. */
export function askedOf({ stderr }: { readonly stderr: readonly string[] }): string[] {
  return stderr.flatMap((line) => /live: Connected to .*, (live|from \d+)(?: job=\w+)?$/.exec(line)?.[1] ?? []);
}

/** What tells one event of a relay from another, however it is stored. */
function nameOf(seq: unknown, kind: unknown, did: unknown, path = ""): string {
  return `${seq} ${kind} ${did} ${path}`;
}

/** The events of frames, as {@link eventsIn} and as {@link namesIn} give them. */
export function expectedOf(frames: readonly Uint8Array[]): { readonly json: string[]; readonly names: string[] } {
  const origin = { source: "firehose", wire: "relay", host: "example.test" } as const;
  const filter = { kinds: new Set(["commit", "identity", "account"] as const) };
  const events = frames.flatMap((frame): readonly AnyEvent[] => {
    const split = splitFrame(frame);
    const message = split.kind === "message" ? decodeRepoMessage(split.type, split.body) : undefined;
    if (message === undefined || !("seq" in message)) return [];
    return frameEvents(message, { origin, filter, verify: "none", now: Date.now }).events;
  });
  return { json: events.map(toJson), names: events.map((event) => nameOfEvent(event as CommitEvent)) };
}

function nameOfEvent({ seq, kind, did, commit }: CommitEvent): string {
  return commit === undefined
    ? nameOf(seq, kind, did)
    : nameOf(seq, commit.operation, did, `${commit.collection}/${commit.rkey}`);
}

/** The events of a stream in format `bsky`. */
export async function namesIn(redis: RedisClient, stream = "firehose_live"): Promise<string[]> {
  return (await redis.entries(stream)).map(({ value }) => nameOfEntry(value));
}

/** What {@link namesIn} has for the text of one entry. */
export function nameOfEntry(value: string): string {
  const { seq, type, did, collection, rkey } = JSON.parse(value);
  return nameOf(seq, type, did, collection === undefined ? "" : `${collection}/${rkey}`);
}

/** So many frames of a simulated relay, numbered from 1 on. */
export async function simulatedFrames(count: number): Promise<Uint8Array[]> {
  await using server = await startSimulate({ sign: false, count, accounts: 2000, epoch: EPOCH_US });
  const socket = new WebSocket(`${server.relay}/xrpc/com.atproto.sync.subscribeRepos?cursor=0`);
  socket.binaryType = "arraybuffer";
  const frames: Uint8Array[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => frames.push(new Uint8Array(data)) === count && resolve();
  socket.onclose = () => reject(new Error(`The relay sent ${frames.length} of ${count} frames`));
  await promise;
  socket.onclose = null;
  const closed = new Promise((end) => socket.onclose = end);
  socket.close();
  await closed;
  return frames;
}
