/**
 * The reference: relay frames to the JSON text of their events as one would write it with `@atcute/cbor` and `@atcute/car`, without any
 * check but the hashes.
 *
 * @module
 */
import { hash } from "node:crypto";
import { fromUint8Array } from "@atcute/car";
import { decode, decodeFirst, toCidLink } from "@atcute/cbor";
import type { Message } from "./jetstream_loop.ts";

/** Answers how many characters of JSON a frame gave. */
export function loopFrame(frame: Uint8Array, hashes: boolean): number {
  let length = 0;
  loopEvents(frame, hashes, (_, text) => length += text.length);
  return length;
}

/** Calls `take` with each event of a frame and its JSON text. */
export function loopEvents(frame: Uint8Array, hashes: boolean, take: (event: Message, text: string) => void): void {
  const [{ op, t }, rest] = decodeFirst(frame);
  if (op !== 1) return;
  const [body] = decodeFirst(rest);
  const base = { did: body.did ?? body.repo, time_us: Date.parse(body.time) * 1000, cursor: body.seq };
  if (t === "#commit") return loopCommit(body, base, hashes, take);
  const kind = t.slice(1);
  const { did, seq, time, handle, active, status } = body;
  const event = { ...base, kind, [kind]: { did, seq, time, handle, active, status } };
  take(event, JSON.stringify(event));
}

// deno-lint-ignore no-explicit-any
function loopCommit(body: any, base: Omit<Message, "kind">, hashes: boolean, take: Parameters<typeof loopEvents>[2]) {
  const blocks = new Map<string, { readonly bytes: Uint8Array; readonly digest: Uint8Array }>();
  const car = fromUint8Array(body.blocks.buf);
  for (const { cid, bytes } of car) blocks.set(toCidLink(cid).$link, { bytes, digest: cid.digest.contents });
  const find = (cid: string): Uint8Array => {
    const { bytes, digest } = blocks.get(cid)!;
    if (hashes && hash("sha256", bytes, "hex") !== digest.toHex()) throw new Error(`Cannot use block ${cid}: hash`);
    return bytes;
  };
  if (hashes) {
    const { did, rev } = decode(find(car.roots[0]!.$link));
    if (did !== body.repo || rev !== body.rev) throw new Error("Cannot use commit: it is another one");
  }
  for (const { action, path, cid } of body.ops) {
    const [collection, rkey] = path.split("/");
    const record = action === "delete" ? undefined : decode(find(cid.$link));
    const commit = { rev: body.rev, operation: action, collection, rkey, record, cid: cid?.$link };
    const event = { ...base, kind: "commit", commit };
    take(event, JSON.stringify(event));
  }
}
