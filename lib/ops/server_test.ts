import assert from "node:assert/strict";
import { type OpsAnswer, type OpsRequest, textAnswer } from "./message.ts";
import { startServer } from "./server.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };

/** Sends bytes as they are and reads until the other side closes, or `enough` says so; empty where it takes no connection. */
async function raw(port: number, text: string, enough: (answer: string) => boolean = () => false): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
  if (conn === undefined) return "";
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent)).catch(() => bytes.length);
  let answer = "";
  const buffer = new Uint8Array(65_536), decoder = new TextDecoder();
  while (!enough(answer)) {
    const read = await conn.read(buffer).catch(() => null);
    if (read === null) break;
    answer += decoder.decode(buffer.subarray(0, read), { stream: true });
  }
  return answer;
}

const ask = (method: string, target: string, headers = "") =>
  `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;

function echo(request: OpsRequest): OpsAnswer {
  const { method, path, query, address } = request;
  return textAnswer(
    200,
    JSON.stringify({ method, path, a: query.get("a"), address, x: request.header("x-y") ?? null }),
  );
}

Deno.test("a request as it was sent: path, query, headers, address", async () => {
  await using server = await startServer(LOCAL, echo);
  const answer = await raw(server.address.port, ask("GET", "/stats/../x?a=b?c", "X-Y: z\r\n"));
  const body = JSON.parse(answer.split("\r\n\r\n")[1]!);
  assert.deepEqual(body, { method: "GET", path: "/stats/../x", a: "b?c", address: "127.0.0.1", x: "z" });
});

Deno.test("every answer carries what keeps browsers from guessing and storing", async () => {
  await using server = await startServer(LOCAL, () => textAnswer(404, "no"));
  const answer = await fetch(`http://127.0.0.1:${server.address.port}/`);
  await answer.text();
  const headers = ["cache-control", "x-content-type-options", "referrer-policy", "cross-origin-resource-policy"];
  assert.deepEqual(headers.map((name) => answer.headers.get(name)), [
    "no-store",
    "nosniff",
    "no-referrer",
    "same-origin",
  ]);
  assert.equal(answer.headers.get("access-control-allow-origin"), null);
});

Deno.test("W30: HEAD is GET without a body", async () => {
  await using server = await startServer(LOCAL, () => textAnswer(200, "body"));
  const answer = await raw(server.address.port, ask("HEAD", "/"));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(answer, /content-length: 4\r\n/i);
  assert(answer.endsWith("\r\n\r\n"));
});

Deno.test("W42: a head of 17 KiB: 431", async () => {
  await using server = await startServer(LOCAL, echo);
  const answer = await raw(server.address.port, ask("GET", "/", `X-Y: ${"a".repeat(17 * 1024)}\r\n`));
  assert.match(answer, /^HTTP\/1\.1 431 /);
});

Deno.test("W42: a body of 64 KiB is taken, one of 1 MiB is not: 413", async () => {
  await using server = await startServer(LOCAL, echo);
  const post = (bytes: number) =>
    raw(server.address.port, ask("POST", "/", `Content-Length: ${bytes}\r\n`) + "b".repeat(bytes));
  assert.match(await post(65_536), /^HTTP\/1\.1 200 /);
  assert.match(await post(1_048_576), /^HTTP\/1\.1 413 /);
});

Deno.test("W42: junk is refused, also behind a good request, and others are served", async () => {
  await using server = await startServer(LOCAL, echo);
  const { port } = server.address;
  assert.match(await raw(port, "\x16\x03\x01junk\r\n\r\n"), /^HTTP\/1\.1 400 /);
  const good = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  assert.match(await raw(port, `${good}JUNK\r\n\r\n`), /^HTTP\/1\.1 [24]00 /);
  assert.match(await raw(port, ask("GET", "/")), /^HTTP\/1\.1 200 /);
});

Deno.test("W42: of 200 connections that say nothing 100 stay, and one that ends makes room", async () => {
  await using server = await startServer(LOCAL, echo);
  const { port } = server.address;
  const conns = await Promise.all(Array.from({ length: 200 }, () => Deno.connect({ hostname: "127.0.0.1", port })));
  const buffer = new Uint8Array(1);
  let closed = 0;
  for (const conn of conns) void conn.read(buffer).then((read) => read === null && closed++, () => closed++);
  while (closed < 100) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await raw(port, ask("GET", "/")), "", "there is no room");
  for (const conn of conns) conn.close();
  let answer = "";
  while (answer === "") answer = await raw(port, ask("GET", "/"));
  assert.match(answer, /^HTTP\/1\.1 200 /);
});

Deno.test("W42: a head and a body that do not come to their end in time: 408", async () => {
  await using server = await startServer(LOCAL, echo, { requestMs: 200 });
  const { port } = server.address;
  const beginnings = [
    "",
    "GET / HTTP/1.1\r\nHost: loc",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na",
  ];
  for (const answer of await Promise.all(beginnings.map((text) => raw(port, text)))) {
    assert.match(answer, /^HTTP\/1\.1 408 /);
  }
  assert.match(await raw(port, ask("GET", "/")), /^HTTP\/1\.1 200 /);
});

Deno.test("W39: whoever takes nothing of a stream is cut off", async () => {
  const cancelled = Promise.withResolvers<void>();
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => (sent += 65_536, controller.enqueue(new Uint8Array(65_536))),
    cancel: () => cancelled.resolve(),
  });
  const answer = () => ({ status: 200, type: "text/plain", body });
  await using server = await startServer(LOCAL, answer, { stuckMs: 200 });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
  await conn.write(new TextEncoder().encode(ask("GET", "/")));
  await cancelled.promise;
  assert(sent < 32 * 1024 * 1024, `${sent} bytes went into buffers`);
});

Deno.test("what a handler throws is no matter for the next request", async () => {
  let asked = 0;
  await using server = await startServer(LOCAL, () => {
    if (asked++ === 0) throw new Error("Oops");
    return textAnswer(200, "ok");
  });
  const { port } = server.address;
  const first = await raw(port, ask("GET", "/"));
  assert.match(first, /^HTTP\/1\.1 500 /);
  assert(!first.includes("Oops"));
  assert.match(await raw(port, ask("GET", "/")), /^HTTP\/1\.1 200 /);
});

Deno.test("a stream goes out as it comes; it is cancelled when the other side leaves, and ends with the server", async () => {
  const cancelled = Promise.withResolvers<void>();
  const controllers: ReadableStreamDefaultController<Uint8Array>[] = [];
  const stream = () =>
    new ReadableStream<Uint8Array>({
      start(c) {
        controllers.push(c);
        c.enqueue(new TextEncoder().encode("first"));
      },
      cancel: () => cancelled.resolve(),
    });
  {
    await using server = await startServer(LOCAL, () => ({ status: 200, type: "text/event-stream", body: stream() }));
    const { port } = server.address;
    await raw(port, ask("GET", "/"), (text) => text.includes("first"));
    await cancelled.promise;
    const whole = raw(port, ask("GET", "/"), (text) => text.includes("second"));
    while (controllers.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    controllers[1]!.enqueue(new TextEncoder().encode("second"));
    assert.match(await whole, /first[^]*second/);
  }
});

Deno.test("W43: a taken port is told", async () => {
  await using server = await startServer(LOCAL, echo);
  const { port } = server.address;
  await assert.rejects(startServer({ ...LOCAL, port }, echo), {
    name: "ConfigError",
    message: `Cannot listen on 127.0.0.1:${port}: the address is in use`,
  });
});
