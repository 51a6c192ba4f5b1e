import assert from "node:assert/strict";
import { ALICE, BOB, faultsOf, json, type World, world } from "../../tests/support/identity_world.ts";
import { captureLog } from "../../tests/support/log_records.ts";
import { TransientError } from "../pipeline/errors.ts";
import { resolveHandles } from "./handles.ts";

const both = {
  resolver: { "alice.bsky.social": ALICE, "bob.bsky.social": BOB },
  documents: { [ALICE]: "alice.bsky.social", [BOB]: "bob.bsky.social" },
};

Deno.test("C16: handles are normalised, each is asked for once", async () => {
  const { options, asked } = world(both);
  const values = [" @Alice.bsky.social", " ", "bob.bsky.social ", "ALICE.bsky.social", ""];
  const { dids, resolved } = await resolveHandles(values, options);
  assert.deepEqual(dids, [ALICE, BOB]);
  assert.deepEqual([...resolved], [["alice.bsky.social", ALICE], ["bob.bsky.social", BOB]]);
  assert.deepEqual(asked.toSorted(), [
    "/xrpc/com.atproto.identity.resolveHandle?handle=alice.bsky.social",
    "/xrpc/com.atproto.identity.resolveHandle?handle=bob.bsky.social",
    `plc/${ALICE}`,
    `plc/${BOB}`,
  ]);
});

Deno.test("C17: one line names the unknown and the unclaimed handles, and why", async () => {
  const { options } = world({
    resolver: { "alice.bsky.social": ALICE, "eve.bsky.social": BOB },
    documents: { [ALICE]: "alice.bsky.social", [BOB]: "bob.bsky.social" },
  });
  const faults = await faultsOf(["alice.bsky.social", "eve.bsky.social", "nobody.test"], options);
  assert.equal(
    faults,
    `Cannot resolve handles: eve.bsky.social (${BOB} claims bob.bsky.social), ` +
      "nobody.test (the resolver does not know it)",
  );
});

Deno.test("C18: by DNS only", async () => {
  const { options, asked } = world({
    dns: { "_atproto.alice.com": ["v=spf1 -all", `did=${ALICE}`, `did=${ALICE}`] },
    documents: { [ALICE]: "alice.com" },
  });
  assert.deepEqual((await resolveHandles(["alice.com"], options)).dids, [ALICE]);
  assert.deepEqual(asked.slice(1), ["dns _atproto.alice.com", `plc/${ALICE}`]);
});

Deno.test("DNS that names several DIDs, or something else, resolves nothing", async () => {
  const { options, asked } = world({
    dns: { "_atproto.two.com": [`did=${ALICE}`, `did=${BOB}`], "_atproto.junk.com": ["did=alice"] },
  });
  assert.equal(
    await faultsOf(["two.com", "junk.com"], options),
    "Cannot resolve handles: two.com (DNS names 2 DIDs), junk.com (what DNS names is no DID)",
  );
  assert.equal(asked.length, 4, "the hosts are not asked");
});

Deno.test("C18: by the handle's own host only", async () => {
  const { options, allowed } = world({
    hosts: { "https://alice.com/.well-known/atproto-did": `${ALICE}\r\nmore\n` },
    documents: { [ALICE]: "alice.com" },
  });
  assert.deepEqual((await resolveHandles(["alice.com"], options)).dids, [ALICE]);
  assert.deepEqual([...allowed], [false]);
});

Deno.test("the handle's own host: no such page, junk, and what the guard refuses", async () => {
  const page = (host: string) => `https://${host}/.well-known/atproto-did`;
  const { options, allowed } = world({
    hosts: {
      [page("a.com")]: 404,
      [page("b.com")]: "<!doctype html>",
      [page("c.com")]: { refused: "10.0.0.5 is a private address" },
    },
  });
  const nowhere = "neither the resolver nor DNS knows it, and its host";
  assert.equal(
    await faultsOf(["a.com", "b.com", "c.com"], { ...options, allowPrivate: true }),
    `Cannot resolve handles: a.com (${nowhere} answers 404), b.com (${nowhere} answers without a DID), ` +
      `c.com (${nowhere} cannot be asked: 10.0.0.5 is a private address)`,
  );
  assert.deepEqual([...allowed], [true], "--allow-private is handed on");
});

Deno.test("the top-level domains that mean nothing outside are left to the resolver", async () => {
  const tlds = ["test", "local", "localhost", "invalid", "example", "onion", "internal", "arpa", "alt"];
  const { options, asked } = world({ resolver: { "known.test": ALICE }, documents: { [ALICE]: "known.test" } });
  await faultsOf(tlds.map((tld) => `a.${tld}`), options);
  assert.equal(asked.length, tlds.length);
  assert.deepEqual((await resolveHandles(["known.test"], options)).dids, [ALICE]);
});

Deno.test("C18: a DID is used as it is, without a request", async () => {
  const { options, asked } = world({});
  const web = "did:web:Example.com";
  assert.deepEqual((await resolveHandles([` ${ALICE}`, web, ALICE], options)).dids, [ALICE, web]);
  assert.deepEqual(asked, []);
});

Deno.test("a handle of an account that is named by DID too counts once", async () => {
  const { options } = world(both);
  assert.deepEqual((await resolveHandles([ALICE, "alice.bsky.social"], options)).dids, [ALICE]);
});

Deno.test("C18: what is neither handle nor DID is refused before any request", async () => {
  const { options, asked } = world(both);
  const faults = await faultsOf(["alice.bsky.social", "not a handle", "alice", "a.1", "did:x", "@"], options);
  assert.deepEqual(faults.split("\n"), [
    'Cannot use handle "not a handle": it must be a name such as alice.bsky.social',
    'Cannot use handle "alice": it must be a name such as alice.bsky.social',
    'Cannot use handle "a.1": it must be a name such as alice.bsky.social',
    'Cannot use DID "did:x": it is not a DID',
    'Cannot use handle "": it must be a name such as alice.bsky.social',
  ]);
  assert.deepEqual(asked, []);
});

Deno.test("C19: 429 with Retry-After once: resolved, not before", async () => {
  const busy = new Response(null, { status: 429, headers: { "Retry-After": "1" } });
  const { options, elapsed } = world({ ...both, resolver: { "alice.bsky.social": [busy, ALICE] } });
  await using records = await captureLog();
  assert.deepEqual((await resolveHandles(["alice.bsky.social"], options)).dids, [ALICE]);
  assert.equal(elapsed(), 1000);
  assert.deepEqual(records.lines, [
    "warning: Cannot resolve alice.bsky.social by resolver.example: it answers 429; trying again in 1 s",
  ]);
});

Deno.test("C19: trouble for ever ends within the limit, wherever it is", async () => {
  const cases: readonly (readonly [World, RegExp])[] = [
    [
      { resolver: { "a.com": 500 } },
      /^TransientError: Cannot resolve handle a\.com by resolver\.example: it answers 500$/,
    ],
    [{ resolver: { "a.com": new TypeError("Connection reset") } }, /by resolver\.example: Connection reset$/],
    [{ resolver: { "a.com": ALICE }, documents: { [ALICE]: 503 } }, /by plc\.example: it answers 503$/],
    [{ dns: { "_atproto.a.com": new TransientError("SERVFAIL") } }, /by DNS: SERVFAIL$/],
    [{ hosts: { "https://a.com/.well-known/atproto-did": 502 } }, /by a\.com: it answers 502$/],
  ];
  for (const limitMs of [30_000, 2000]) {
    for (const [what, message] of cases) {
      const { options, elapsed, asked } = world(what);
      await assert.rejects(resolveHandles(["a.com"], { ...options, limitMs }), message);
      assert(elapsed() > limitMs / 4 && elapsed() < limitMs, `${elapsed()} of ${limitMs}`);
      assert(asked.length >= 4);
    }
  }
});

Deno.test("trouble of one handle has one limit, wherever it meets it", async () => {
  const { options, elapsed } = world({
    resolver: { "a.com": [500, 500, 500, 500, 500, 500, ALICE] },
    documents: { [ALICE]: 500 },
  });
  await assert.rejects(resolveHandles(["a.com"], options), TransientError);
  assert(elapsed() < 30_000);
});

Deno.test("a Retry-After beyond the limit is not waited for", async () => {
  const busy = new Response(null, { status: 429, headers: { "Retry-After": "3600" } });
  const { options, elapsed, asked } = world({ resolver: { "a.com": busy } });
  await assert.rejects(resolveHandles(["a.com"], options), TransientError);
  assert.deepEqual([elapsed(), asked.length], [0, 1]);
});

Deno.test("a server that never answers is given 5 s a request", async () => {
  const { options } = world({});
  const timeouts: number[] = [];
  const resolveTxt = (_name: string, { timeoutMs }: { timeoutMs: number }) => {
    timeouts.push(timeoutMs);
    return Promise.reject(new TransientError("No answer"));
  };
  await assert.rejects(resolveHandles(["a.com"], { ...options, resolveTxt, limitMs: 6000 }), TransientError);
  // The fake clock only sees the waits between: 0.25, 0.5, 1 and 2 s.
  assert.deepEqual(timeouts, [5000, 5000, 5000, 4250, 2250]);
});

Deno.test("a handle that does not exist outweighs trouble with another one", async () => {
  const { options } = world({ resolver: { "a.test": 500 } });
  assert.equal(
    await faultsOf(["a.test", "b.test"], options),
    "Cannot resolve handle: b.test (the resolver does not know it)",
  );
});

Deno.test("a resolver that answers something else resolves nothing, and nobody else is asked", async () => {
  const { options, asked } = world({
    resolver: { "a.com": 403, "b.com": "<html>", "c.com": json({ did: "x" }), "d.com": "x".repeat(65_537) },
  });
  assert.equal(
    await faultsOf(["a.com", "b.com", "c.com", "d.com"], options),
    "Cannot resolve handles: a.com (resolver.example answers 403), b.com (resolver.example answers without a DID), " +
      "c.com (resolver.example answers without a DID), " +
      "d.com (resolver.example cannot be used: it answers with more than 65536 bytes)",
  );
  assert.equal(asked.length, 4);
});

Deno.test("8 handles are worked on at a time", async () => {
  let running = 0, most = 0;
  const { options } = world({});
  const fetch = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    return new Response(null, { status: 400 });
  };
  const handles = Array.from({ length: 30 }, (_, i) => `h${i}.test`);
  const faults = await faultsOf(handles, { ...options, fetch });
  assert.deepEqual(faults.match(/h\d+\.test/g), handles);
  assert.equal(most, 8);
});

Deno.test("the signal ends it with its reason", async () => {
  const stop = new AbortController();
  const { options } = world({ resolver: { "a.test": 500 } });
  const { delay: _delay, ...real } = options;
  const running = resolveHandles(["a.test"], { ...real, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("Stopped")), 20);
  await assert.rejects(running, /^Error: Stopped$/);
});
