import assert from "node:assert/strict";
import { selfSigned } from "../../../tests/support/certificate.ts";
import { captureLog } from "../../../tests/support/log_records.ts";
import {
  failure,
  type Script,
  type ScriptedElasticsearch,
  scriptedElasticsearch,
} from "../../../tests/support/scripted_elasticsearch.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { type ConnectionOptions, openConnection } from "./connection.ts";

/** A connection to servers with one script each. */
async function connect(scripts: readonly Script[], options: Partial<ConnectionOptions> = {}) {
  const servers: ScriptedElasticsearch[] = [];
  for (const script of scripts) servers.push(await scriptedElasticsearch(script));
  const connection = await openConnection({ nodes: servers.map(({ url }) => url), ...options });
  return {
    connection,
    servers,
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a request arrives as it was made, and its answer as it came", async () => {
  const headers = { "retry-after": "2" };
  await using world = await connect([{ "POST /_bulk": { status: 429, body: { a: 1 }, headers } }]);
  const { connection, servers: [server] } = world;
  const querystring = { filter_path: "errors,items.*.status" };
  const answer = await connection.request({ method: "POST", path: "/_bulk", body: "{}\n", ndjson: true, querystring });
  assert.deepEqual(answer, {
    status: 429,
    body: { a: 1 },
    text: '{"a":1}',
    retryAfterMs: 2000,
    product: "Elasticsearch",
  });
  const [request] = server!.requests;
  assert.equal(request!.query.get("filter_path"), "errors,items.*.status");
  assert.equal(request!.body, "{}\n");
  assert.equal(request!.headers["content-type"], "application/x-ndjson");
  assert.equal(request!.headers["content-encoding"], undefined);
  assert.equal(request!.headers.authorization, undefined);
  await connection.request({ method: "PUT", path: "/likes", body: '{"ä":1}' });
  assert.equal(server!.requests[1]!.headers["content-type"], "application/json");
  assert.equal(server!.requests[1]!.body, '{"ä":1}');
});

Deno.test("every status is an answer, whatever its text", async () => {
  const answers: Script = {
    "GET /401": failure(401, "security_exception"),
    "GET /413": { status: 413 },
    "GET /503": { status: 503, body: "<html>", headers: { "content-type": "text/html" } },
    "GET /cut": { body: '{"a":' },
    "GET /proto": { body: '{"__proto__":{"a":1}}' },
  };
  await using world = await connect([answers]);
  const get = (path: string) => world.connection.request({ method: "GET", path });
  assert.equal((await get("/401")).status, 401);
  assert.deepEqual(await get("/413"), {
    status: 413,
    body: undefined,
    text: "",
    retryAfterMs: undefined,
    product: "Elasticsearch",
  });
  const down = await get("/503");
  assert.deepEqual([down.status, down.body, down.text], [503, undefined, "<html>"]);
  const cut = await get("/cut");
  assert.deepEqual([cut.status, cut.body], [200, undefined]);
  assert.equal((await get("/proto")).text, '{"__proto__":{"a":1}}');
});

Deno.test("--elasticsearch-gzip compresses what is sent", async () => {
  await using world = await connect([{}], { gzip: true });
  const body = '{"index":{}}\n{}\n'.repeat(100);
  const { status } = await world.connection.request({ method: "POST", path: "/_bulk", body, ndjson: true });
  assert.equal(status, 200);
  const [request] = world.servers[0]!.requests;
  assert.equal(request!.headers["content-encoding"], "gzip");
  assert(Number(request!.headers["content-length"]) < body.length / 10);
  assert.equal(request!.body, body);
});

Deno.test("credentials: key, user and password, user info in the URL", async () => {
  await using server = await scriptedElasticsearch();
  const authorization = async (options: Partial<ConnectionOptions>) => {
    await using connection = await openConnection({ nodes: [server.url], ...options });
    await connection.request({ method: "GET", path: "/" });
    return server.requests.at(-1)!.headers.authorization;
  };
  assert.equal(await authorization({ apiKey: "aWQ6a2V5" }), "ApiKey aWQ6a2V5");
  assert.equal(await authorization({ user: "u", password: "pä:ss" }), `Basic ${utf8Base64("u:pä:ss")}`);
  const url = server.url.replace("//", "//u%40b:p%2Fw@");
  assert.equal(await authorization({ nodes: [url] }), `Basic ${btoa("u@b:p/w")}`);
});

function utf8Base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

Deno.test("two kinds of credentials, half of one, and what is none are refused without being shown", async () => {
  const nodes = ["http://u:s3cret@localhost:9200"];
  const bad: [ConnectionOptions, RegExp][] = [
    [{ nodes, apiKey: "aWQ6a2V5" }, /two kinds of credentials: the URL of http:\/\/localhost:9200 /],
    [{ nodes: ["http://h"], apiKey: "aWQ6a2V5", user: "u", password: "s3cret" }, /exclude each other/],
    [{ nodes: ["http://h"], user: "u" }, /without --elasticsearch-password/],
    [{ nodes: ["http://h"], apiKey: "id:s3cret" }, /must be the encoded form/],
    [{ nodes: ["http://u:s3%cret@h"] }, /must be written %25/],
    [{ nodes: ["ftp://u:s3cret@h"] }, /must begin with http/],
    [{ nodes: ["http://h?s3cret"] }, /must not have a query/],
    [{ nodes: [] }, /--elasticsearch-url is not set/],
  ];
  for (const [options, expected] of bad) {
    await assert.rejects(openConnection(options), (error) => {
      assert(error instanceof ConfigError);
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /s3/);
      return true;
    });
  }
});

Deno.test("E9: a server that is not there is named without the password", async () => {
  await using connection = await openConnection({ nodes: ["http://u:s3cret@127.0.0.1:1/es"] });
  assert.equal(connection.place, "http://127.0.0.1:1/es");
  await assert.rejects(connection.request({ method: "GET", path: "/" }), (error) => {
    assert(error instanceof TransientError);
    assert.match(error.message, /^Cannot reach http:\/\/127\.0\.0\.1:1\/es: .*ECONNREFUSED/);
    assert.doesNotMatch(Deno.inspect(error, { depth: 9 }), new RegExp(`s3cret|${btoa("u:s3cret")}`));
    return true;
  });
});

Deno.test("a cut connection and a late answer are transient", async () => {
  await using world = await connect([{ "GET /cut": "reset", "GET /late": "hang" }], { timeoutMs: 50 });
  const { connection } = world;
  await assert.rejects(connection.request({ method: "GET", path: "/cut" }), { name: "TransientError" });
  await assert.rejects(connection.request({ method: "GET", path: "/late" }), {
    name: "TransientError",
    message: `Cannot reach ${connection.place}: no answer within 0.05 s`,
  });
  assert.equal((await connection.request({ method: "GET", path: "/" })).status, 200);
});

Deno.test("an aborted request ends at once with the reason, also on a connection that was used before", async () => {
  await using world = await connect([{ "GET /late": "hang" }]);
  const { connection, servers: [server] } = world;
  await connection.request({ method: "GET", path: "/" });
  const reason = new Error("Stopped by the test");
  const stop = new AbortController();
  const pending = connection.request({ method: "GET", path: "/late", signal: stop.signal });
  while (server!.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(reason);
  await assert.rejects(pending, reason);
  await assert.rejects(connection.request({ method: "GET", path: "/", signal: stop.signal }), reason);
  assert.equal(server!.requests.length, 2);
});

Deno.test("nodes take turns, one that fails or hangs is left out", async () => {
  for (const fault of ["reset", "hang", failure(503, "unavailable")] as const) {
    await using world = await connect([{}, { "GET /": fault }, {}], { timeoutMs: 50 });
    const { connection, servers } = world;
    let failures = 0;
    for (let i = 0; i < 9; i++) {
      const answer = await connection.request({ method: "GET", path: "/" }).catch(() => undefined);
      if (answer?.status !== 200) failures++;
    }
    assert.equal(failures, 1);
    assert.equal(servers[1]!.requests.length, 1);
    assert(servers[0]!.requests.length >= 3);
    assert(servers[2]!.requests.length >= 3);
  }
});

Deno.test("E5: a certificate that nobody vouches for is refused, --ca-cert and --skip-tls-verify take it", async () => {
  const certificate = selfSigned("localhost"), other = selfSigned("elsewhere.test");
  await using server = await scriptedElasticsearch({}, { tls: certificate });
  const get = async (options: Partial<ConnectionOptions>) => {
    await using connection = await openConnection({ nodes: [server.url], ...options });
    return (await connection.request({ method: "GET", path: "/" })).status;
  };
  const refused = (error: unknown) => {
    assert(error instanceof ConfigError);
    assert.match(
      error.message,
      /^Cannot use https:\/\/localhost:\d+: (self-signed|unable to verify the first) certificate/,
    );
    assert.match(error.hint!, /--ca-cert/);
    return true;
  };
  await assert.rejects(get({}), refused);
  await assert.rejects(get({ caCert: other.cert }), refused);
  assert.equal(await get({ caCert: certificate.cert }), 200);
  assert.equal(await get({ caCert: `# two\n${other.cert}\n${certificate.cert}` }), 200);
  await using log = await captureLog();
  assert.equal(await get({ skipTlsVerify: true }), 200);
  assert.match(log.lines.join("\n"), /^warning: Certificates are not verified \(--skip-tls-verify\)/);
});

Deno.test("E5: a certificate for another name, and a server without TLS, are a fault of the settings too", async () => {
  const elsewhere = selfSigned("elsewhere.test");
  await using tls = await scriptedElasticsearch({}, { tls: elsewhere });
  await using plain = await scriptedElasticsearch();
  for (
    const [url, expected] of [[tls.url, /altnames/], [plain.url.replace("http:", "https:"), /SSL routines/]] as const
  ) {
    await using connection = await openConnection({ nodes: [url], caCert: elsewhere.cert });
    await assert.rejects(connection.request({ method: "GET", path: "/" }), { name: "ConfigError", message: expected });
  }
});

Deno.test("a file without certificates, or with a damaged one, is refused", async () => {
  const { cert } = selfSigned("localhost");
  const damaged = cert.replace(/\n[A-Za-z0-9+/]{20}/, "\n");
  for (const [caCert, expected] of [["none", /holds no PEM/], [cert + damaged, /certificate 2 .* damaged/]] as const) {
    await assert.rejects(openConnection({ nodes: ["https://h"], caCert }), { name: "ConfigError", message: expected });
  }
});
