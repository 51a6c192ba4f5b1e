import assert from "node:assert/strict";
import fc from "fast-check";
import { did, didNumber } from "./ids.ts";
import { type SimulateServer, startSimulate } from "./server.ts";
import { receive } from "./test_client.ts";

const get = async (url: string) => {
  const response = await fetch(url);
  const { status, headers } = response;
  return {
    status,
    type: headers.get("content-type"),
    retryAfter: headers.get("retry-after"),
    body: await response.json(),
  };
};
const resolve = (server: SimulateServer, handle: string) =>
  get(`${server.url}/xrpc/com.atproto.identity.resolveHandle?handle=${encodeURIComponent(handle)}`);
const unable = { error: "InvalidRequest", message: "Unable to resolve handle" };

Deno.test("didNumber: the number behind every DID, and none behind others", () => {
  const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(fc.property(uint32, uint32, (n, salt) => assert.equal(didNumber(did(n, salt), salt), n)));
  for (const text of ["did:plc:abc", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "did:web:a.b", ""]) {
    assert.equal(didNumber(text, 7), undefined);
  }
});

Deno.test("every generated account has a handle that resolves to it, and a document that claims it", async () => {
  await using server = await startSimulate({ rng: 3, accounts: 10, count: 200 });
  const dids: string[] = [];
  for (let n = 0; n < 10; n++) {
    const handle = `user${n}.simulate.test`;
    const { status, type, body } = await resolve(server, handle);
    assert.deepEqual([status, type, Object.keys(body)], [200, "application/json", ["did"]]);
    dids.push(body.did);
    const document = await get(`${server.url}/${n % 2 ? body.did : encodeURIComponent(body.did)}`);
    assert.deepEqual([document.status, document.type], [200, "application/did+ld+json"]);
    const { id, alsoKnownAs, service } = document.body;
    assert.deepEqual([id, alsoKnownAs, service[0].type], [body.did, [`at://${handle}`], "AtprotoPersonalDataServer"]);
    assert.ok(URL.canParse(service[0].serviceEndpoint));
  }
  const authors = new Set((await receive(`${server.jetstream}?cursor=1`, 200)).map((text) => JSON.parse(text).did));
  assert.deepEqual([...authors].sort(), dids.sort());
  assert.equal((await resolve(server, "USER1.simulate.test")).status, 200);
});

Deno.test("who is not known, in the words of Bluesky's AppView and of plc.directory", async () => {
  await using server = await startSimulate({ accounts: 10 });
  for (const handle of ["user10.simulate.test", "user01.simulate.test", "nobody.test", ""]) {
    const { status, body } = await resolve(server, handle);
    assert.deepEqual([status, body], [400, unable], handle);
  }
  const { status, body } = await get(`${server.url}/xrpc/com.atproto.identity.resolveHandle`);
  assert.deepEqual([status, body.error], [400, "InvalidRequest"]);
  const unknown = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
  const missing = await get(`${server.url}/${unknown}`);
  assert.deepEqual([missing.status, missing.body], [404, { message: `DID not registered: ${unknown}` }]);
  await using larger = await startSimulate({ accounts: 11 });
  const eleventh = (await resolve(larger, "user10.simulate.test")).body.did;
  assert.equal((await get(`${server.url}/${eleventh}`)).status, 404);
});

Deno.test("given identities stand before the generated ones: other claims, none, tombstones", async () => {
  const [a, b, c] = ["a", "b", "c"].map((letter) => `did:plc:${letter.repeat(24)}`) as [string, string, string];
  await using server = await startSimulate({
    kind: "legacy",
    identities: [
      { handle: "alice.test", did: a },
      { handle: "bob.test", did: b, claims: ["other.test", "bob.test"] },
      { handle: "carol.test", did: c, claims: [], tombstoned: true },
      { handle: "user0.simulate.test", did: a },
    ],
  });
  assert.equal((await resolve(server, "alice.test")).body.did, a);
  assert.equal((await resolve(server, "user0.simulate.test")).body.did, a);
  const claims = async (did: string) => (await get(`${server.url}/${did}`)).body.alsoKnownAs;
  assert.deepEqual([await claims(a), await claims(b)], [["at://alice.test"], ["at://other.test", "at://bob.test"]]);
  assert.equal((await resolve(server, "carol.test")).body.did, c);
  const gone = await get(`${server.url}/${c}`);
  assert.deepEqual([gone.status, gone.body], [410, { message: `DID not available: ${c}` }]);
});

Deno.test("xrpc: requests for handles and documents fail so many times; every plain request is seen", async () => {
  const seen: string[] = [];
  await using server = await startSimulate({
    xrpc: { status: 429, times: 2, retryAfter: 3 },
    onHttp: ({ url }) => void seen.push(url.pathname),
  });
  const { status, retryAfter, body } = await resolve(server, "user1.simulate.test");
  assert.deepEqual([status, retryAfter, body.error], [429, "3", "RateLimitExceeded"]);
  assert.equal((await get(`${server.url}/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa`)).status, 429);
  assert.equal((await resolve(server, "user1.simulate.test")).status, 200);
  await receive(server.jetstream, 1);
  const path = "/xrpc/com.atproto.identity.resolveHandle";
  assert.deepEqual(seen, [path, "/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", path]);
  await using always = await startSimulate({ xrpc: { status: 503 } });
  for (let n = 0; n < 3; n++) assert.equal((await resolve(always, "user1.simulate.test")).status, 503);
});
