import assert from "node:assert/strict";
import { ConfigError, TransientError } from "../../lib/pipeline/errors.ts";
import { authorityOf } from "../../lib/ops/address.ts";
import { busySnapshot } from "../../tests/support/snapshots.ts";
import { look, parseAddress } from "./ask.ts";

Deno.test("addresses: a port alone is this machine, IPv6 in brackets, nothing else is one", () => {
  const texts = ["9090", ":9090", "db1:80", "[::1]:9090", " 127.0.0.1:1 "];
  assert.deepEqual(texts.map((text) => authorityOf(parseAddress(text))), [
    ...["127.0.0.1:9090", "127.0.0.1:9090", "db1:80", "[::1]:9090", "127.0.0.1:1"],
  ]);
  for (const text of ["", "x", "db1", "0", "65536", "http://db1:80", "a:b@c:1", "::1:80", "db1:80/x"]) {
    assert.throws(() => parseAddress(text), { name: "ConfigError", message: /^Cannot use address/ }, text);
  }
});

/** Runs `fn` with a server that answers so. */
async function answering(answer: (request: Request) => Response, fn: (port: number) => Promise<void>): Promise<void> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  await fn(server.addr.port);
}

const at = (port: number, token?: string) => ({ address: { hostname: "127.0.0.1", port }, token });

Deno.test("an instance is asked for both with the token, whatever proxy the environment names", async () => {
  const { stats, status } = busySnapshot();
  const asked: string[] = [];
  await answering((request) => {
    asked.push(`${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
    return Response.json(request.url.endsWith("/stats") ? stats : status);
  }, async (port) => {
    assert.deepEqual(await look(at(port, "secret")), { stats, status });
  });
  assert.deepEqual(asked.sort(), ["/stats Bearer secret", "/status Bearer secret"]);
});

Deno.test("T23: a wrong token is a fault of the command line, silence and strangers are not", async () => {
  await answering(() => Response.json({ error: "Unauthorized" }, { status: 401 }), async (port) => {
    await assert.rejects(
      look(at(port)),
      (error) => error instanceof ConfigError && /it wants a token$/.test(error.message),
    );
    await assert.rejects(look(at(port, "x")), { name: "ConfigError", message: /it wants another token$/ });
  });
  await answering(
    () => Response.json({ error: "HostNotAllowed", message: "Use --listen-host" }, { status: 403 }),
    (port) =>
      assert.rejects(look(at(port)), { message: `Cannot read from 127.0.0.1:${port}: status 403, Use --listen-host` }),
  );
  await answering(
    () => new Response("<html>"),
    (port) => assert.rejects(look(at(port)), { message: /what answers there is not bskyingest \(status 200\)$/ }),
  );
  await answering(
    () => Response.json({}),
    (port) => assert.rejects(look(at(port)), { message: /what answers there is not bskyingest$/ }),
  );
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  await assert.rejects(
    look(at(port)),
    (error) => error instanceof TransientError && error.message.startsWith(`Cannot reach 127.0.0.1:${port}: `),
  );
});
