import assert from "node:assert/strict";
import { createAccess } from "./access.ts";
import type { OpsRequest } from "./message.ts";

const TOKEN = "sixteen or more.";

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly address?: string;
}

function request({ method = "GET", path = "/stats", headers = {}, address = "127.0.0.1" }: Asked): OpsRequest {
  const all: Record<string, string> = { host: "localhost:9090", ...headers };
  return { method, path, address, query: new URLSearchParams(), header: (name) => all[name] };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (token: string) => ({ authorization: `Basic ${btoa(`anybody:${token}`)}` });
const accessWith = (token: string | undefined, now?: () => number) =>
  createAccess({ token, hosts: new Set(["ops.example"]), ...(now && { now }) });

/** The status that a request is answered with; 200: it may go on. */
const statusOf = (access: ReturnType<typeof createAccess>, asked: Asked) => access(request(asked))?.status ?? 200;

Deno.test("W31: POST without a token, with a wrong one, with Basic, and where none is configured", () => {
  const access = accessWith(TOKEN);
  const post = (headers = {}) => statusOf(access, { method: "POST", path: "/reset", headers });
  assert.deepEqual([post(), post(bearer("wrong")), post(basic(TOKEN)), post(bearer(TOKEN))], [401, 401, 401, 200]);
  assert.equal(statusOf(accessWith(undefined), { method: "POST", path: "/reset", headers: bearer(TOKEN) }), 403);
});

Deno.test("W32: with a token reading wants it too, but for probes", () => {
  const access = accessWith(TOKEN);
  assert.equal(statusOf(access, {}), 401);
  assert.equal(statusOf(access, { path: "/nope" }), 401);
  for (const path of ["/health", "/healthz", "/readyz"]) assert.equal(statusOf(access, { path }), 200, path);
  assert.equal(statusOf(access, { path: "/healthz", method: "POST" }), 401);
  for (const headers of [bearer(TOKEN), basic(TOKEN)]) assert.equal(statusOf(access, { headers }), 200);
  assert.equal(statusOf(access, { headers: { authorization: TOKEN } }), 401);
  assert.equal(statusOf(accessWith(undefined), {}), 200);
});

Deno.test("a refusal says how to ask, so that a browser does", () => {
  const answer = accessWith(TOKEN)(request({}));
  assert.equal(answer?.headers?.["WWW-Authenticate"], 'Basic realm="bskyingest", charset="UTF-8"');
});

Deno.test("W33: hosts that are not ours, and pages of others that post", () => {
  const access = accessWith(TOKEN);
  const get = (host: string) => statusOf(access, { headers: { ...bearer(TOKEN), host } });
  assert.deepEqual(["evil.example", "10.1.2.3", "ops.example:80"].map(get), [403, 200, 200]);
  const post = (origin: string) =>
    statusOf(access, { method: "POST", path: "/reset", headers: { ...bearer(TOKEN), origin } });
  const origins = ["http://localhost:9090", "http://localhost:9091", "http://evil.example", "null"];
  assert.deepEqual(origins.map(post), [200, 403, 403, 403]);
});

Deno.test("ten wrong tokens in a minute from one address: 429, also for the right one, until the minute is over", () => {
  let now = 0;
  const access = accessWith(TOKEN, () => now);
  for (let i = 0; i < 10; i++) assert.equal(statusOf(access, { headers: bearer("wrong") }), 401);
  assert.equal(statusOf(access, { headers: bearer(TOKEN) }), 429);
  assert.equal(statusOf(access, { path: "/healthz" }), 200);
  assert.equal(statusOf(access, { headers: bearer(TOKEN), address: "10.0.0.1" }), 200);
  now = 60_000;
  assert.equal(statusOf(access, { headers: bearer(TOKEN) }), 200);
});

Deno.test("a missing token is no wrong one", () => {
  const access = accessWith(TOKEN);
  for (let i = 0; i < 20; i++) statusOf(access, {});
  assert.equal(statusOf(access, { headers: bearer(TOKEN) }), 200);
});
