import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { type FaultProxy, faultProxy } from "./fault_proxy.ts";

/** A server that sends `bytes` to whoever connects, then gives back what it receives until the client ends. */
function serve(bytes: Uint8Array): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const jobs = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const conn of listener) {
      const answer = async () => {
        const writer = conn.writable.getWriter();
        await writer.write(bytes);
        writer.releaseLock();
        await conn.readable.pipeTo(conn.writable);
      };
      jobs.add(answer().catch(() => {}));
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await Promise.all([accepting, ...jobs]);
    },
  };
}

function dial({ port }: FaultProxy): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** Reads until `length` bytes or the end. */
async function read(conn: Deno.Conn, length = Infinity): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let total = 0; total < length;) {
    const buffer = new Uint8Array(Math.min(64 * 1024, length - total));
    const n = await conn.read(buffer);
    if (n === null) break;
    chunks.push(buffer.subarray(0, n));
    total += n;
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** The answer if it comes within `ms`, else `undefined`; the answer can still be awaited. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);

Deno.test("a proxy without faults passes everything in both directions, and half-closed connections", async () => {
  const sent = bytes(300_000);
  await using server = serve(sent);
  await using proxy = await faultProxy(server);
  using conn = await dial(proxy);
  const writing = conn.write(bytes(1000)).then(() => conn.closeWrite());
  deepEqual(await read(conn), new Uint8Array([...sent, ...bytes(1000)]));
  await writing;
  equal(proxy.accepted, 1);
});

Deno.test("cutAfter ends every connection after exactly so many bytes", async () => {
  await using server = serve(bytes(300_000));
  await using proxy = await faultProxy(server);
  proxy.cutAfter = 100_001;
  for (let i = 0; i < 2; i++) {
    using conn = await dial(proxy);
    deepEqual(await read(conn), bytes(300_000).subarray(0, 100_001));
  }
  equal(proxy.accepted, 2);
});

Deno.test("cutAll ends open connections, new ones work", async () => {
  await using server = serve(bytes(10));
  await using proxy = await faultProxy(server);
  using first = await dial(proxy);
  await read(first, 10);
  equal(proxy.open, 1);
  proxy.cutAll();
  equal((await read(first)).length, 0);
  using second = await dial(proxy);
  equal((await read(second, 10)).length, 10);
});

Deno.test("resetAll resets open connections", async () => {
  await using server = serve(bytes(10));
  await using proxy = await faultProxy(server);
  using conn = await dial(proxy);
  await read(conn, 10);
  proxy.resetAll();
  await rejects(read(conn), Deno.errors.ConnectionReset);
});

Deno.test("refuse refuses new connections and keeps open ones, accept takes them again on the same port", async () => {
  await using server = serve(bytes(10));
  await using proxy = await faultProxy(server);
  using open = await dial(proxy);
  await read(open, 10);
  proxy.refuse();
  await rejects(dial(proxy), Deno.errors.ConnectionRefused);
  await open.write(bytes(5));
  deepEqual(await read(open, 5), bytes(5));
  await proxy.accept();
  using again = await dial(proxy);
  equal((await read(again, 10)).length, 10);
});

Deno.test("a stalled connection passes nothing and stays open until it is resumed", async () => {
  await using server = serve(bytes(10));
  await using proxy = await faultProxy(server);
  using conn = await dial(proxy);
  await read(conn, 10);
  proxy.stall();
  await conn.write(bytes(5));
  const answer = read(conn, 5);
  equal(await within(150, answer), undefined);
  equal(proxy.open, 1);
  proxy.resume();
  deepEqual(await answer, bytes(5));
});

Deno.test("a stalled connection can be cut, and the proxy ends while it is stalled", async () => {
  await using server = serve(bytes(10));
  await using proxy = await faultProxy(server);
  proxy.stall();
  using first = await dial(proxy);
  equal(await within(100, read(first)), undefined);
  proxy.cutAll();
  using second = await dial(proxy);
  equal(await within(100, read(second)), undefined);
});

Deno.test("bytesPerSecond slows connections down and loses nothing", async () => {
  await using server = serve(bytes(5000));
  await using proxy = await faultProxy(server);
  proxy.bytesPerSecond = 25_000;
  using conn = await dial(proxy);
  const started = performance.now();
  deepEqual(await read(conn, 5000), bytes(5000));
  const ms = performance.now() - started;
  ok(ms > 150, `5000 bytes at 25000 bytes/s took ${ms} ms`);
});

Deno.test("a server that cannot be reached ends the connection", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  await using proxy = await faultProxy({ port: closed.addr.port });
  using conn = await dial(proxy);
  equal((await read(conn)).length, 0);
});
