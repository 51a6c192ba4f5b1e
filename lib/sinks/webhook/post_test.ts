import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { selfSigned } from "../../../tests/support/certificate.ts";
import { startReceiver } from "../../../tests/support/receiver.ts";
import type { Answer } from "./outcome.ts";
import { createPoster, type PosterOptions } from "./post.ts";

const body = Buffer.from("{}");
const headers = { "webhook-id": "msg_a" };

/** One request. */
async function post(url: string, options: Partial<PosterOptions> = {}): Promise<Answer> {
  using poster = createPoster({ url, timeoutMs: 2000, concurrency: 2, allowPrivate: true, ...options });
  return await poster.post(body, headers);
}

/** A server that does to each connection what it is told. */
async function rawServer(serve: (socket: Socket) => void): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

Deno.test("an answer: status, Retry-After, and the beginning of its text, printable", async () => {
  await using receiver = await startReceiver(() => ({
    status: 503,
    headers: { "Retry-After": "7" },
    body: `no\u0007 \u202eroom\n${"x".repeat(5000)}`,
  }));
  const answer = await post(receiver.url);
  assert("status" in answer);
  assert.deepEqual([answer.status, answer.retryAfter, answer.location], [503, "7", undefined]);
  assert.match(answer.text, /^no {3}room x+$/);
  assert(answer.text.length <= 1024);
  assert.equal(receiver.requests[0]!.headers["content-length"], "2");
});

Deno.test("W20: a redirect is not followed, its query not repeated", async () => {
  await using other = await startReceiver();
  await using receiver = await startReceiver(() => ({ status: 302, headers: { Location: `${other.url}?key=secret` } }));
  const answer = await post(receiver.url);
  assert("status" in answer);
  assert.deepEqual([answer.status, answer.location, other.requests.length], [302, other.url, 0]);
});

Deno.test("W12: a receiver that hangs, or drips its head, is given up in time", async () => {
  await using hanging = await startReceiver(() => "hang");
  assert.deepEqual(await post(hanging.url, { timeoutMs: 100 }), { failure: "timeout", text: "No answer within 0.1 s" });
  await using dripping = await rawServer((socket) => {
    let i = 0;
    const timer = setInterval(() => socket.write("HTTP/1.1 200 OK\r\n"[i++ % 17]!), 20);
    socket.on("close", () => clearInterval(timer));
  });
  const answer = await post(dripping.url, { timeoutMs: 200 });
  assert("failure" in answer && answer.failure === "timeout", JSON.stringify(answer));
});

Deno.test("W12: a body without an end is judged by its status, and not read", async () => {
  let written = 0;
  await using endless = await rawServer((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
      const chunk = Buffer.alloc(65_536, "x");
      const fill = () => {
        while (!socket.destroyed && written < 1e9 && socket.write(chunk)) written += chunk.length;
      };
      socket.on("drain", fill);
      fill();
    });
  });
  const answer = await post(endless.url);
  assert("status" in answer && answer.status === 200);
  assert(written < 50_000_000, `${written} bytes were taken`);
});

Deno.test("W12: a reset before the head, a refusal and a name that is not known are failures of the connection", async () => {
  await using resetting = await startReceiver(() => "reset");
  const reset = await post(resetting.url);
  assert("failure" in reset && reset.failure === "connect", JSON.stringify(reset));
  const closed = await startReceiver();
  await closed[Symbol.asyncDispose]();
  const refused = await post(closed.url);
  assert("failure" in refused && refused.failure === "connect", JSON.stringify(refused));
  const error = Object.assign(new Error("Cannot find nowhere.example"), { code: "ENOTFOUND" });
  const unknown = await post("http://nowhere.example/", { lookup: () => Promise.reject(error) });
  assert("failure" in unknown && unknown.failure === "dns", JSON.stringify(unknown));
});

Deno.test("W19: a name whose address has become private is refused at the next connection", async () => {
  await using receiver = await startReceiver();
  const lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
  const url = `http://public.example:${receiver.port}/`;
  const answer = await post(url, { lookup, allowPrivate: false, allowHttp: true });
  assert.deepEqual(answer, { failure: "connect", text: "127.0.0.1 is a private address", stale: false });
  assert.equal(receiver.requests.length, 0);
  assert("status" in await post(url, { lookup }));
});

Deno.test("W21: nothing is sent to a host whose certificate is another's, or nobody's", async () => {
  const certificate = selfSigned("receiver.example");
  await using receiver = await startReceiver(() => 200, certificate);
  const lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
  const send = (host: string, ca?: string) =>
    post(`https://${host}:${receiver.port}/`, { lookup, ...(ca !== undefined && { ca }) });
  for (const answer of [await send("receiver.example"), await send("another.example", certificate.cert)]) {
    assert("failure" in answer && answer.failure === "tls", JSON.stringify(answer));
  }
  assert.equal(receiver.requests.length, 0);
  const good = await send("receiver.example", certificate.cert);
  assert("status" in good && good.status === 200, JSON.stringify(good));
});

Deno.test("a kept connection that the receiver has closed meanwhile costs no failure", async () => {
  let connections = 0;
  await using server = await rawServer((socket) => {
    connections++;
    let requests = 0;
    socket.on("data", (data: Buffer) => {
      if (!data.toString().includes("{}")) return;
      // It says that it keeps the connection, and breaks it at the second request.
      if (requests++ === 0) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      else socket.resetAndDestroy();
    });
  });
  using poster = createPoster({ url: server.url, timeoutMs: 2000, concurrency: 1, allowPrivate: true });
  for (let i = 0; i < 3; i++) {
    const answer = await poster.post(body, headers);
    assert("status" in answer && answer.status === 200, `${i}: ${JSON.stringify(answer)}`);
  }
  assert.equal(connections, 3);
});

Deno.test("connections are kept, and giving up ends a request", async () => {
  await using receiver = await startReceiver(() => 200);
  using poster = createPoster({ url: receiver.url, timeoutMs: 2000, concurrency: 1, allowPrivate: true });
  for (let i = 0; i < 5; i++) await poster.post(body, headers);
  assert.equal(new Set(receiver.requests.map(({ connection }) => connection)).size, 1);
  receiver.script = () => "hang";
  const stop = new AbortController();
  const answer = poster.post(body, headers, stop.signal);
  setTimeout(() => stop.abort(), 50);
  assert("failure" in await answer);
});
