import assert from "node:assert/strict";
import type { HttpFault } from "../handler.ts";
import { LABELS_PATH, REPOS_PATH, type SimulateServer, startSimulate } from "../server.ts";
import { readCar, readFrame } from "../repos/test_reader.ts";
import { connect } from "../test_client.ts";
import { accountKey, labelKey } from "./accounts.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;

async function get(server: SimulateServer, method: string, query = "") {
  const response = await fetch(`${server.url}/xrpc/com.atproto.sync.${method}?${query}`);
  const bytes = await response.bytes();
  const json = response.headers.get("content-type") === "application/json";
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    body: json ? JSON.parse(new TextDecoder().decode(bytes)) : undefined,
  };
}

/** All pages of a list, and the cursors between them. */
async function pages(server: SimulateServer, method: string, limit: number) {
  const cursors: string[] = [], found: unknown[][] = [];
  for (let cursor = ""; found.length < 20;) {
    const { body } = await get(server, method, `limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(body.repos ?? body.hosts);
    if (body.cursor === undefined) break;
    cursors.push(cursor = body.cursor);
  }
  return { cursors, found };
}

Deno.test("F45: listRepos of a relay: numbers as cursors, none on the last page, every account once", async () => {
  await using server = await startSimulate({ accounts: 25, epoch: EPOCH, sign: false });
  const { cursors, found } = await pages(server, "listRepos", 10);
  assert.deepEqual([cursors, found.map((page) => page.length)], [["10", "20"], [10, 10, 5]]);
  const repos = found.flat() as { did: string; head: string; rev: string; active: boolean }[];
  assert.equal(new Set(repos.map(({ did }) => did)).size, 25);
  for (const { did, head, rev, active } of repos.slice(0, 3)) {
    const { status, headers, bytes } = await get(server, "getRepo", `did=${did}`);
    assert.deepEqual([status, headers.get("content-type")], [200, "application/vnd.ipld.car"]);
    assert.deepEqual([readCar(bytes).roots, active, rev.length], [[head], true, 13]);
  }
  assert.equal((await get(server, "listRepos")).body.repos.length, 25);
});

Deno.test("F46, F48: listRepos of a PDS: time and DID as cursor, until a page is empty; inactive accounts too", async () => {
  const repos = Array.from(
    { length: 5 },
    (_, n) => ({ did: `did:plc:${"abcde"[n]!.repeat(24)}`, rev: "", active: n !== 2 }),
  );
  await using server = await startSimulate({ repos, listing: "pds" });
  const { cursors, found } = await pages(server, "listRepos", 3);
  assert.deepEqual(cursors, ["1730000000003::did:plc:" + "c".repeat(24), "1730000000005::did:plc:" + "e".repeat(24)]);
  assert.deepEqual(found, [repos.slice(0, 3), repos.slice(3), []]);
  assert.equal((await get(server, "listRepos", "cursor=1::did:plc:x")).status, 400);
  await using relay = await startSimulate({ repos });
  assert.deepEqual((await get(relay, "listRepos")).body, { repos: repos.filter(({ active }) => active) });
});

Deno.test("lists refuse what real servers refuse", async () => {
  await using server = await startSimulate({ accounts: 3 });
  for (const query of ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=-1"]) {
    const { status, body } = await get(server, "listRepos", query);
    assert.deepEqual([status, body.error], [400, "InvalidRequest"], query);
  }
  const unknown = await get(server, "getRepo", "did=did:plc:aaaaaaaaaaaaaaaaaaaaaaaa");
  assert.deepEqual([unknown.status, unknown.body.error], [400, "RepoNotFound"]);
  assert.deepEqual((await get(server, "getRepo")).body.error, "InvalidRequest");
});

Deno.test("listHosts: this server, or those that are given", async () => {
  await using server = await startSimulate({ accounts: 3 });
  const { body } = await get(server, "listHosts");
  assert.deepEqual(body.hosts, [{ hostname: `127.0.0.1:${server.port}`, seq: 0, accountCount: 3, status: "active" }]);
  const hosts = ["a.test", "b.test", "c.test"].map((hostname) => ({ hostname, status: "idle" }));
  await using other = await startSimulate({ hosts });
  const { cursors, found } = await pages(other, "listHosts", 2);
  assert.deepEqual([cursors, found.flat()], [["2"], hosts]);
});

Deno.test("F47, F48, F51: answers fail page by page, hold anything, or are cut", async () => {
  const faults: (HttpFault | { cutAfter: number } | undefined)[] = [
    { status: 429, retryAfter: 7 },
    { status: 500 },
    { status: 200, body: '{"repos":[],"cursor":""}' },
    { status: 302, headers: { Location: "http://127.0.0.1:9/" } },
    undefined,
    { cutAfter: 30 },
  ];
  await using server = await startSimulate({
    accounts: 3,
    onHttp: ({ url, n }) => url.pathname.endsWith("listRepos") ? faults[n - 1] : undefined,
  });
  const first = await get(server, "listRepos");
  assert.deepEqual([first.status, first.headers.get("retry-after"), first.body.error], [429, "7", "RateLimitExceeded"]);
  assert.equal((await get(server, "listRepos")).body.error, "InternalServerError");
  assert.deepEqual((await get(server, "listRepos")).body, { repos: [], cursor: "" });
  const moved = await fetch(`${server.url}/xrpc/com.atproto.sync.listRepos`, { redirect: "manual" });
  await moved.body?.cancel();
  assert.deepEqual([moved.status, moved.headers.get("location")], [302, "http://127.0.0.1:9/"]);
  assert.equal((await get(server, "listRepos")).body.repos.length, 3);
  await assert.rejects(get(server, "listRepos"));
  assert.equal((await get(server, "listRepos")).status, 200);
});

Deno.test("F52: accounts that were switched off are listed by a PDS only, and have no repo", async () => {
  await using server = await startSimulate({ accounts: 4, epoch: EPOCH, sign: false, count: 500, listing: "pds" });
  await using client = await connect(`${server.relay}${REPOS_PATH}?cursor=0`);
  await client.atLeast(500);
  const down = new Map<string, string | undefined>();
  for (const message of client.messages as Uint8Array[]) {
    const { header, body } = readFrame(message);
    if (header.t === "#account") down.set(body.did, body.status);
  }
  const { body } = await get(server, "listRepos");
  for (const { did, active, status } of body.repos) {
    assert.deepEqual([active, status], [down.get(did) === undefined, down.get(did)]);
    const { bytes, body } = await get(server, "getRepo", `did=${did}`);
    if (active) assert.ok(bytes.length > 1000);
    else assert.match(body.error, /^Repo(Takendown|Suspended|Deactivated)$/);
  }
});

Deno.test("documents name the keys that commits and labels are signed with, and this server as PDS", async () => {
  const given = {
    handle: "x.test",
    did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
    signingKey: "zKey",
    pds: "https://pds.test",
  };
  await using server = await startSimulate({ accounts: 3, rng: 4, epoch: EPOCH, identities: [given] });
  const document = async (did: string) => await (await fetch(`${server.url}/${did}`)).json();
  await using client = await connect(`${server.relay}${LABELS_PATH}?cursor=0`);
  await client.atLeast(1);
  const { src } = readFrame(client.messages[0] as Uint8Array).body.labels[0];
  const labeler = await document(src);
  assert.deepEqual(
    labeler.verificationMethod.map((m: { id: string; publicKeyMultibase: string }) => [m.id, m.publicKeyMultibase]),
    [[`${src}#atproto`, accountKey(4, 0).multibase], [`${src}#atproto_label`, labelKey(4).multibase]],
  );
  assert.deepEqual(labeler.service.map((s: { id: string }) => s.id), ["#atproto_pds", "#atproto_labeler"]);
  assert.equal(labeler.service[0].serviceEndpoint, server.url);
  const other = await document(given.did);
  assert.equal(other.verificationMethod[0].publicKeyMultibase, "zKey");
  assert.equal(other.service[0].serviceEndpoint, "https://pds.test");
});
