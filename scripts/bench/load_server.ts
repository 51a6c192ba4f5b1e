/**
 * A Jetstream server for load tests, in a process of its own: `load_server.ts EVENTS`. It prints what it offers as one line of
 * JSON, and ends with its standard input. Unlike the simulated server it knows no filter, so that the client has to, and a
 * connection costs it next to nothing: all frames are there before the first client comes.
 *
 * @module
 */
import { encodeAhead, type EncodedAhead } from "../../lib/simulate/ahead.ts";
import { dictionaryOf, simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { createCodec } from "../../lib/simulate/encoding.ts";
import { closeFrame, createFrameBuffer, createFrameReader, OPCODE } from "../../lib/simulate/frames.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { encodeUpgrade, readRequest } from "../../lib/simulate/http.ts";
import { closeQuietly } from "../../lib/simulate/link.ts";
import type { EventStore } from "../../lib/simulate/store.ts";
import { type Load, WANTED } from "./bench.ts";

/** Bytes of one write to the socket. */
const WRITE_BYTES = 256 * 1024;
/** Cursors from here on are microseconds, those below are sequence numbers. */
const MICROSECONDS_FROM = 1e15;
/** Generated events follow each other in this distance. */
const STEP_US = 500;

if (import.meta.main) await serve(Number(Deno.args[0]));

async function serve(events: number): Promise<void> {
  // The newest event is a minute old: no cap on times from the future comes into play.
  const epoch = Date.now() * 1000 - 60e6 - events * STEP_US;
  const store = generatedEvents({ epoch, count: events });
  const plain = encodeAhead(store, "v1", events);
  await using codec = createCodec(dictionaryOf(simulateDictionary()), "new");
  const zstd = encodeAhead(store, "v1", events, await codec.open());
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(JSON.stringify({ url: `ws://127.0.0.1:${listener.addr.port}/subscribe`, ...census(store, plain) }));
  const conns = new Set<Deno.Conn>();
  const stopped = Deno.stdin.readable.pipeTo(new WritableStream()).then(() => {
    listener.close();
    conns.forEach(closeQuietly);
  });
  for await (const conn of listener) {
    conns.add(conn);
    answer(conn, store, { plain, zstd }).catch(() => {}).finally(() => {
      closeQuietly(conn);
      conns.delete(conn);
    });
  }
  await stopped;
}

/** Counts what there is. */
function census(store: EventStore, ahead: EncodedAhead): Omit<Load, "url"> {
  const wants = (kind: string, _did: string, collection: string) => kind === "commit" && collection === WANTED;
  let bytes = 0, wanted = 0, lastWanted = 0;
  for (let position = 1; position <= store.last; position++) {
    bytes += ahead.frame(position)!.length;
    if (store.read(position, "v1", wants) === undefined) continue;
    wanted++;
    lastWanted = position;
  }
  return { events: store.last, bytes, wanted, lastWanted };
}

/** Sends everything from the cursor on; the connection stays open until the client leaves. */
async function answer(
  conn: Deno.Conn,
  store: EventStore,
  ahead: Record<"plain" | "zstd", EncodedAhead>,
): Promise<void> {
  const request = await readRequest(conn);
  if (request === undefined || !("url" in request)) return;
  await writeAll(conn, encodeUpgrade(request.headers.get("sec-websocket-key") ?? ""));
  const cursor = Number(request.url.searchParams.get("cursor") ?? 0);
  const start = cursor < MICROSECONDS_FROM ? store.bySeq(cursor) : store.byTime(cursor);
  const frames = ahead[request.url.searchParams.get("compress") === "true" ? "zstd" : "plain"];
  await Promise.race([listen(conn), send(conn, frames, start).then(() => new Promise(() => {}))]);
}

async function send(conn: Deno.Conn, ahead: EncodedAhead, start: number): Promise<void> {
  const buffer = createFrameBuffer(WRITE_BYTES * 2);
  for (let position = start, frame; (frame = ahead.frame(position)); position++) {
    buffer.append(frame);
    if (buffer.size >= WRITE_BYTES) await writeAll(conn, buffer.take());
  }
  await writeAll(conn, buffer.take());
}

/** Until the client says goodbye. Pings need no answer: the data are one. */
async function listen(conn: Deno.Conn): Promise<void> {
  const read = createFrameReader(1 << 20);
  const bytes = new Uint8Array(64 * 1024);
  for (let count; (count = await conn.read(bytes)) !== null;) {
    for (const { opcode } of read(bytes.slice(0, count))) {
      if (opcode === OPCODE.close) return await writeAll(conn, closeFrame(1000));
    }
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}
