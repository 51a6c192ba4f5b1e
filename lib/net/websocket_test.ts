import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { until } from "../../tests/support/run_control.ts";
import { startScripted } from "../../tests/support/scripted_jetstream.ts";
import { textOf } from "./text.ts";
import { connect, type Connection, type ConnectOptions } from "./websocket.ts";

const never = new AbortController().signal;
const options: ConnectOptions = { maxPayload: 1e6, liveMs: 0, silentMs: 0, pausedMs: 3000, signal: never };

/** All messages until the connection ends. */
async function readAll(connection: Connection): Promise<string[]> {
  const texts: string[] = [];
  for await (const { data } of connection.frames) texts.push(...data.map(textOf));
  return texts;
}

Deno.test("messages arrive in order and in chunks, then the close frame's words", async () => {
  const sent = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept(...sent.slice(0, 500));
      for (const text of sent.slice(500)) socket.send(Buffer.from(text), { binary: true });
      socket.close(4001, "enough");
    },
  });
  const connection = connect(server.url, { ...options, headers: { "X-Test": "yes" } });
  assert.equal(await connection.opened, true);
  const sizes: number[] = [];
  const texts: string[] = [], binary: boolean[] = [];
  for await (const chunk of connection.frames) {
    sizes.push(chunk.data.length);
    texts.push(...chunk.data.map(textOf));
    binary.push(...chunk.binary);
  }
  assert.deepEqual(texts, sent);
  assert.deepEqual(binary, sent.map((_, i) => i >= 500));
  assert.ok(Math.max(...sizes) <= 256);
  assert.deepEqual(await connection.closed, { kind: "closed", code: 4001, reason: "enough" });
  assert.equal(server.dials[0]!.headers["x-test"], "yes");
  assert.equal(server.dials[0]!.headers["sec-websocket-extensions"], undefined);
});

Deno.test("a refused handshake shows status, words and Retry-After", async () => {
  await using server = await startScripted({
    onDial: (dial) => dial.refuse(503, dial.index === 0 ? "not ready" : "x".repeat(100_000), { "Retry-After": "2" }),
  });
  const connection = connect(server.url, options);
  assert.equal(await connection.opened, false);
  assert.deepEqual(await connection.closed, { kind: "refused", status: 503, body: "not ready", retryAfterMs: 2000 });
  assert.deepEqual(await readAll(connection), []);
  const wordy = await connect(server.url, options).closed;
  assert.equal(wordy.kind === "refused" && wordy.body.length, 8192);
});

Deno.test("a Retry-After that is no number of seconds is none", async () => {
  await using server = await startScripted({ onDial: (dial) => dial.refuse(429, "", { "Retry-After": "soon" }) });
  assert.deepEqual(await connect(server.url, options).closed, {
    kind: "refused",
    status: 429,
    body: "",
    retryAfterMs: undefined,
  });
});

Deno.test("nobody listens: failed", async () => {
  const server = await startScripted({ onDial: () => {} });
  await server[Symbol.asyncDispose]();
  const outcome = await connect(server.url, options).closed;
  assert.equal(outcome.kind, "failed");
  assert.match(outcome.kind === "failed" ? outcome.error : "", /refused/i);
});

Deno.test("a message above the limit ends the connection, all before it is delivered", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept("a", "b", "x".repeat(2000), "c") });
  const connection = connect(server.url, { ...options, maxPayload: 1000 });
  assert.deepEqual(await readAll(connection), ["a", "b"]);
  assert.deepEqual(await connection.closed, { kind: "oversize" });
});

Deno.test("aborting closes with 1000, before as well as after the handshake", async () => {
  const codes: number[] = [];
  await using server = await startScripted({
    onDial: (dial) => {
      if (dial.index < 2) dial.accept("a").on("close", (code) => codes.push(code));
    },
  });
  const stop = new AbortController();
  const open = connect(server.url, { ...options, signal: stop.signal });
  await open.opened;
  const hanging = connect(server.url.replace("subscribe", "second"), { ...options, signal: stop.signal });
  await hanging.opened;
  const dialling = connect(server.url, { ...options, signal: stop.signal });
  await until(() => server.dials.length === 3);
  stop.abort();
  for (const each of [open, hanging, dialling]) assert.deepEqual(await each.closed, { kind: "stopped" });
  assert.equal(await dialling.opened, false);
  const late = connect(server.url, { ...options, signal: stop.signal });
  assert.deepEqual(await late.closed, { kind: "stopped" });
  await until(() => codes.length === 2);
  assert.deepEqual(codes, [1000, 1000]);
});

Deno.test("J35: who does not read pauses the socket, and is closed after a while with all that was buffered", async () => {
  let sent = 0;
  const message = "x".repeat(1000);
  await using server = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept();
      const send = () => {
        while (socket.readyState === socket.OPEN && socket.bufferedAmount < 1e6 && sent < 1e6) {
          socket.send(message), sent++;
        }
        if (socket.readyState === socket.OPEN) setTimeout(send, 1);
      };
      send();
    },
  });
  const connection = connect(server.url, { ...options, pausedMs: 100 });
  assert.deepEqual(await connection.closed, { kind: "paused" });
  const received = (await readAll(connection)).length;
  assert.ok(received >= 2000 && received < 2000 + 256 * 4, `${received} messages`);
});

Deno.test("J35: who reads on in time keeps the connection", async () => {
  const message = "x".repeat(1000);
  const count = 30_000;
  await using server = await startScripted({ onDial: (dial) => void dial.accept(...Array(count).fill(message)) });
  const connection = connect(server.url, { ...options, pausedMs: 5000 });
  await connection.opened;
  const reader = connection.frames.getReader();
  let received = 0;
  for (let pauses = 0; received < count; pauses++) {
    if (pauses % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20)); // long enough for the queue to fill
    received += (await reader.read()).value!.data.length;
  }
  assert.equal(received, count);
  await reader.cancel();
  await connection.closed;
});

Deno.test("nothing at all within the time: dead; pongs and no data: silent", async () => {
  await using mute = await startScripted({
    onDial: (dial) => {
      const socket = dial.accept();
      // A peer whose process hangs: its socket is open, and nobody reads it.
      socket.pause();
    },
  });
  const dead = connect(mute.url, { ...options, liveMs: 100 });
  assert.deepEqual(await dead.closed, { kind: "dead" });

  await using answering = await startScripted({ onDial: (dial) => void dial.accept() });
  const silent = connect(answering.url, { ...options, liveMs: 150, silentMs: 600 });
  const begun = Date.now();
  assert.deepEqual(await silent.closed, { kind: "silent" });
  assert.ok(Date.now() - begun >= 590);
});

Deno.test("a limit of silence that changes is asked for at each look", async () => {
  await using server = await startScripted({ onDial: (dial) => void dial.accept("a") });
  let silentMs = 0, looks = 0;
  const connection = connect(server.url, { ...options, liveMs: 30, silentMs: () => (looks++, silentMs) });
  const texts = readAll(connection);
  await until(() => looks >= 10);
  assert.equal(server.sockets.size, 1);
  silentMs = 20;
  assert.deepEqual([await connection.closed, await texts], [{ kind: "silent" }, ["a"]]);
});
