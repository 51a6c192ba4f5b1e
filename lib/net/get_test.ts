import assert from "node:assert/strict";
import { type Certificate, selfSigned } from "../../tests/support/certificate.ts";
import { ConfigError, TransientError } from "../pipeline/errors.ts";
import { getChosen, getPublic, type GetPublicOptions } from "./get.ts";

interface Host extends AsyncDisposable {
  readonly port: number;
  /** Paths, in the order of the requests. */
  readonly asked: string[];
}

function host(answer: (path: string) => Response | Promise<Response>, tls?: Certificate): Host {
  const asked: string[] = [];
  const handle = (request: Request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return answer(pathname);
  };
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = tls ? Deno.serve({ ...options, ...tls }, handle) : Deno.serve(options, handle);
  return { port: server.addr.port, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

const bounds = { timeoutMs: 5000, maxBytes: 2048, signal: new AbortController().signal };
const tls = selfSigned("a.example", "b.example");

/** Every name is this machine. */
const local: GetPublicOptions = {
  ...bounds,
  allowPrivate: true,
  ca: tls.cert,
  lookup: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
};

Deno.test("a chosen server: status, body and Retry-After", async () => {
  await using server = host((path) =>
    path === "/busy"
      ? new Response("x", { status: 429, headers: { "Retry-After": "7" } })
      : path === "/moved"
      ? new Response(null, { status: 302, headers: { Location: "/here" } })
      : new Response("hällo")
  );
  const base = `http://127.0.0.1:${server.port}`;
  assert.deepEqual(await getChosen(`${base}/`, bounds), { status: 200, retryAfterMs: undefined, body: "hällo" });
  assert.deepEqual(await getChosen(`${base}/busy`, bounds), { status: 429, retryAfterMs: 7000, body: "x" });
  assert.deepEqual(await getChosen(`${base}/moved`, bounds), { status: 200, retryAfterMs: undefined, body: "hällo" });
  assert.deepEqual(server.asked, ["/", "/busy", "/moved", "/here"]);
});

Deno.test("a chosen server: bounds of size and time, and network trouble", async () => {
  const held = Promise.withResolvers<Response>();
  await using server = host((path) =>
    path === "/hangs" ? held.promise : new Response("x".repeat(path === "/fits" ? 2048 : 2049))
  );
  const base = `http://127.0.0.1:${server.port}`;
  assert.equal((await getChosen(`${base}/fits`, bounds) as { body: string }).body.length, 2048);
  assert.deepEqual(await getChosen(`${base}/large`, bounds), { refused: "it answers with more than 2048 bytes" });
  await assert.rejects(
    getChosen(`${base}/hangs`, { ...bounds, timeoutMs: 50 }),
    (error) => error instanceof TransientError && error.message === "No answer within 0.05 s",
  );
  const stop = new AbortController();
  const stopped = getChosen(`${base}/hangs`, { ...bounds, signal: stop.signal });
  stop.abort(new Error("Enough"));
  await assert.rejects(stopped, /^Error: Enough$/);
  held.resolve(new Response());
  await server[Symbol.asyncDispose]();
  await assert.rejects(getChosen(base, bounds), TransientError);
});

Deno.test("a public host is asked by its name over TLS", async () => {
  await using server = host(() => new Response("did:web:a.example\n"), tls);
  const result = await getPublic(`https://a.example:${server.port}/x`, local);
  assert.deepEqual(result, { status: 200, retryAfterMs: undefined, body: "did:web:a.example\n" });
});

Deno.test("a certificate of another name, or of nobody that is trusted, is no connection", async () => {
  await using server = host(() => new Response("no"), tls);
  assert.deepEqual(await getPublic(`https://c.example:${server.port}/`, local), {
    refused: "its certificate is not accepted (ERR_TLS_CERT_ALTNAME_INVALID)",
  });
  const { ca: _ca, ...untrusting } = local;
  assert.deepEqual(await getPublic(`https://a.example:${server.port}/`, untrusting), {
    refused: "its certificate is not accepted (DEPTH_ZERO_SELF_SIGNED_CERT)",
  });
  assert.deepEqual(server.asked, []);
});

Deno.test("a name with a private address is refused, and nothing is dialled; --allow-private lifts it", async () => {
  await using server = host(() => new Response("inside"), tls);
  const guarded = { ...local, allowPrivate: false };
  const url = `https://a.example:${server.port}/`;
  const refused = { refused: "127.0.0.1 is a private address" };
  assert.deepEqual(await getPublic(url, guarded), refused);
  const both = [{ address: "8.8.8.8", family: 4 }, { address: "127.0.0.1", family: 4 }];
  assert.deepEqual(await getPublic(url, { ...guarded, lookup: () => Promise.resolve(both) }), refused, "one of two");
  const mapped = [{ address: "::ffff:10.0.0.1", family: 6 }];
  assert.deepEqual(
    await getPublic(url, { ...guarded, lookup: () => Promise.resolve(mapped) }),
    { refused: "::ffff:10.0.0.1 is a private address" },
  );
  assert.deepEqual(server.asked, []);
  assert.equal("status" in await getPublic(url, local), true);
});

Deno.test("a host that the program must not reach, a redirect's for one, is not asked again", async () => {
  const denied = () => Promise.reject(new Deno.errors.NotCapable('Requires net access to "b.example:443"'));
  await assert.rejects(getChosen("https://a.example/", bounds, denied), ConfigError);
});

Deno.test("W18: hosts that are private addresses themselves, in every spelling", async () => {
  const guarded = { ...local, allowPrivate: false };
  const hosts = { "127.0.0.1": "127.0.0.1", "0x7f.1": "127.0.0.1", "2130706433": "127.0.0.1" };
  for (const [text, address] of Object.entries({ ...hosts, "[::1]": "::1", "[::ffff:10.0.0.1]": "::ffff:a00:1" })) {
    assert.deepEqual(await getPublic(`https://${text}/`, guarded), { refused: `${address} is a private address` });
  }
});

Deno.test("every redirect's target is looked up and judged anew", async () => {
  await using server = host(() => new Response(null, { status: 302, headers: { Location: "https://10.0.0.5/" } }), tls);
  const names: string[] = [];
  // Nothing public can be served from here: the first hop passes by the switch, the second one finds the guard up.
  const options = {
    ...local,
    get allowPrivate() {
      return server.asked.length === 0;
    },
    lookup(name: string) {
      names.push(name);
      return local.lookup!(name);
    },
  };
  const result = await getPublic(`https://a.example:${server.port}/`, options);
  assert.deepEqual(result, { refused: "10.0.0.5 is a private address" });
  assert.deepEqual([names, server.asked], [["a.example"], ["/"]]);
});

Deno.test("redirects: three are followed, a fourth not, each target is checked", async () => {
  await using server = host((path) => {
    const n = Number(path.slice(1));
    if (n === 0) return new Response("here");
    const there = { 7: "http://a.example/", 8: `https://b.example:${server.port}/0`, 9: "https://[" }[n];
    return new Response(null, { status: 301, headers: { Location: there ?? `/${n - 1}` } });
  }, tls);
  const get = (path: string, options = local) => getPublic(`https://a.example:${server.port}/${path}`, options);
  assert.deepEqual(await get("3"), { status: 200, retryAfterMs: undefined, body: "here" });
  assert.deepEqual(await get("4"), { refused: "it redirects more than 3 times" });
  assert.deepEqual(server.asked, ["/3", "/2", "/1", "/0", "/4", "/3", "/2", "/1"]);
  assert.deepEqual(await get("8"), { status: 200, retryAfterMs: undefined, body: "here" }, "to another host");
  assert.deepEqual(await get("7"), { refused: "it redirects to http://" });
  assert.deepEqual(await get("9"), { refused: "it redirects to what is no URL" });
});

Deno.test("public hosts: bounds of size and time, and names that do not exist", async () => {
  const held = Promise.withResolvers<Response>();
  await using server = host((path) => path === "/hangs" ? held.promise : new Response("x".repeat(2049)), tls);
  const base = `https://a.example:${server.port}`;
  assert.deepEqual(await getPublic(base, local), { refused: "it answers with more than 2048 bytes" });
  await assert.rejects(
    getPublic(`${base}/hangs`, { ...local, timeoutMs: 50 }),
    (error) => error instanceof TransientError && error.message === "No answer within 0.05 s",
  );
  held.resolve(new Response());
  const missing = () => Promise.reject(Object.assign(new Error("ENOTFOUND"), { code: "ENOTFOUND" }));
  assert.deepEqual(await getPublic(base, { ...local, lookup: missing }), { refused: "there is no host of that name" });
  await assert.rejects(
    getPublic(base, { ...local, lookup: () => Promise.reject(new Error("EAI_AGAIN")) }),
    TransientError,
  );
});
