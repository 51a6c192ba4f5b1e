import assert from "node:assert/strict";
import { createServer } from "node:tls";
import { connect } from "node:net";
import { once } from "node:events";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { selfSigned } from "../../../tests/support/certificate.ts";
import { faultProxy } from "../../../tests/support/fault_proxy.ts";
import { sharedRedis, startRedis, startRedisCluster } from "../../../tests/support/redis.ts";
import { serviceTest } from "../../../tests/support/services.ts";
import { replyCode } from "./errors.ts";
import { redisLink } from "./link.ts";
import { luaScript } from "./script.ts";

const redis = sharedRedis();

serviceTest("R31: a connection that was cut is made again by the next command", ["redis"], async () => {
  await using proxy = await faultProxy({ port: redis().port });
  await using link = redisLink({ url: `redis://127.0.0.1:${proxy.port}`, commandMs: 200 });
  assert.equal(await link.send("k", ["PING"]), "PONG");
  assert.equal(await link.isCluster(), false);
  proxy.resetAll();
  for (let i = 0; i < 3; i++) await link.send("k", ["PING"]).catch((error) => assert(error instanceof TransientError));
  assert.equal(await link.send("k", ["PING"]), "PONG");
  proxy.stall();
  await assert.rejects(link.send("k", ["PING"]), /^TransientError: Cannot use Redis at 127\.0\.0\.1:\d+: No answer/);
  proxy.resume();
  assert.equal(await link.send("k", ["PING"]), "PONG");
  proxy.refuse();
  proxy.cutAll();
  await assert.rejects(link.send("k", ["PING"]), TransientError);
  await assert.rejects(link.send("k", ["PING"]), /^TransientError: Cannot use Redis at .*: nobody listens there$/);
  await proxy.accept();
  assert.equal(await link.send("k", ["PING"]), "PONG");
});

Deno.test("a connection that comes about after the link was closed does not stay open", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const link = redisLink({ url: `redis://127.0.0.1:${listener.addr.port}` });
  const asked = assert.rejects(link.send("k", ["PING"]), TransientError);
  await link[Symbol.asyncDispose]();
  await asked;
  using conn = await listener.accept();
  const late = setTimeout(() => conn.close(), 10_000);
  assert.equal(await conn.read(new Uint8Array(1)), null, "it is open, although nobody uses it");
  clearTimeout(late);
});

serviceTest("a command that nobody waits for any more ends at once", ["redis"], async () => {
  await using link = redisLink({ url: redis().url });
  const stop = new AbortController();
  const blocked = link.send("s", ["XREAD", "BLOCK", "60000", "STREAMS", "s", "$"], {
    signal: stop.signal,
    blockMs: 60_000,
  });
  stop.abort(new Error("Enough"));
  await assert.rejects(blocked, /Enough/);
});

serviceTest("R17: a script runs although the server forgot it, and says its own errors", ["redis"], async () => {
  await using link = redisLink({ url: redis().url });
  const script = luaScript("return {KEYS[1], ARGV[1]}");
  assert.deepEqual(await link.script(script, ["k"], ["a"]), ["k", "a"]);
  await redis().command("SCRIPT", "FLUSH");
  assert.deepEqual(await link.script(script, ["k"], ["b"]), ["k", "b"]);
  const wrong = link.script(luaScript("return redis.error_reply('WRONGTYPE k holds a string')"), ["k"], []);
  await assert.rejects(wrong, (error) => {
    assert(error instanceof TransientError);
    return replyCode(error) === "WRONGTYPE";
  });
});

serviceTest("R30: a wrong password is the user's to mend, and is never repeated", ["redis"], async () => {
  await using locked = await startRedis(["--requirepass", "right"]);
  const ping = async (url: string, password?: string) => {
    await using link = redisLink({ url, password });
    return await link.send("k", ["PING"]);
  };
  assert.equal(await ping(`redis://:right@127.0.0.1:${locked.port}`), "PONG");
  assert.equal(await ping(`redis://:marker@127.0.0.1:${locked.port}`, "right"), "PONG", "the option wins");
  for (const url of [`redis://:marker@127.0.0.1:${locked.port}`, locked.url]) {
    await assert.rejects(ping(url), (error) => {
      assert(error instanceof ConfigError);
      return !`${error.stack} ${error.cause}`.includes("marker");
    });
  }
});

serviceTest("R30: TLS with an authority of one's own", ["redis"], async () => {
  const { cert, key } = selfSigned("localhost");
  const server = createServer({ cert, key }, (socket) => {
    const upstream = connect({ port: redis().port, host: "127.0.0.1" });
    socket.pipe(upstream).pipe(socket);
    for (const each of [socket, upstream]) each.on("error", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const url = `rediss://localhost:${port}`;
  try {
    await using trusting = redisLink({ url, caCert: cert });
    assert.equal(await trusting.send("k", ["PING"]), "PONG");
    await using careless = redisLink({ url, skipTlsVerify: true });
    assert.equal(await careless.send("k", ["PING"]), "PONG");
    await using strict = redisLink({ url });
    await assert.rejects(strict.send("k", ["PING"]), ConfigError);
  } finally {
    server.close();
  }
});

serviceTest("R32: a server of a cluster leads to all of it", ["redis"], async () => {
  await using cluster = await startRedisCluster();
  for (const url of [cluster.nodes[0]!.url, `redis+cluster://127.0.0.1:1,127.0.0.1:${cluster.nodes[1]!.port}`]) {
    await using link = redisLink({ url });
    assert.equal(await link.isCluster(), true);
    const keys = ["a", "b", "c", "d", "e", "f"];
    for (const key of keys) assert.equal(await link.send(key, ["SET", key, key]), "OK");
  }
});
