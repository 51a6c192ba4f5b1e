/**
 * A relay for load tests, in a process of its own: it prints its address as one line of JSON, and ends with its standard input. It sends
 * the same frames again and again, each with a number of its own, for as long as a client reads; a frame costs it eight bytes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { seqOf, splitFrame } from "../../lib/atproto/frame.ts";
import { createFrameBuffer, OPCODE } from "../../lib/simulate/frames.ts";
import { encodeUpgrade, readRequest } from "../../lib/simulate/http.ts";
import { closeQuietly } from "../../lib/simulate/link.ts";
import { FIRST_SEQ, loadFrames } from "./frames.ts";

const SEQ = Buffer.from("63736571" + "1b", "hex");

/** All frames as WebSocket messages, and where the number of each stands. */
interface Round {
  readonly bytes: Buffer;
  readonly places: readonly number[];
}

if (import.meta.main) await serve(roundOf(loadFrames()));

function roundOf(frames: readonly Uint8Array[]): Round {
  const buffer = createFrameBuffer(1 << 20);
  for (const frame of frames) buffer.add(OPCODE.binary, frame);
  const bytes = Buffer.from(buffer.take());
  const places: number[] = [];
  let from = 0;
  for (const frame of frames) {
    from = bytes.indexOf(frame, from);
    const place = bytes.indexOf(SEQ, from) + SEQ.length;
    const split = splitFrame(frame);
    const seq = split.kind === "message" ? seqOf(split.body) : undefined;
    if (Number(bytes.readBigUInt64BE(place)) !== seq) throw new Error(`Cannot find the number of frame ${seq}`);
    places.push(place);
  }
  return { bytes, places };
}

async function serve(round: Round): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(JSON.stringify(`ws://127.0.0.1:${listener.addr.port}`));
  const conns = new Set<Deno.Conn>();
  const stopped = Deno.stdin.readable.pipeTo(new WritableStream()).then(() => {
    listener.close();
    conns.forEach(closeQuietly);
  });
  for await (const conn of listener) {
    conns.add(conn);
    answer(conn, round).catch(() => {}).finally(() => {
      closeQuietly(conn);
      conns.delete(conn);
    });
  }
  await stopped;
}

/** Ends when the client leaves. */
async function answer(conn: Deno.Conn, { bytes, places }: Round): Promise<void> {
  const request = await readRequest(conn);
  if (request === undefined || !("url" in request)) return;
  await writeAll(conn, encodeUpgrade(request.headers.get("sec-websocket-key") ?? ""));
  const own = Buffer.from(bytes);
  for (let seq = FIRST_SEQ;;) {
    for (const place of places) own.writeBigUInt64BE(BigInt(seq++), place);
    await writeAll(conn, own);
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}
