/**
 * `-u` of `connector`. What resolves only by DNS or by a host of its own is in `lib/sources/handles_test.ts`: neither is to be had here.
 */
import assert from "node:assert/strict";
import { captureOf, queueIn, recordsIn } from "../support/capture.ts";
import { startSimulate } from "../../lib/simulate/server.ts";
import type { SimulateOptions, SimulateServer } from "../../lib/simulate/server.ts";
import { assertMisuse, filesIn, run, runUntil } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

const ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa", BOB = "did:plc:bobbbbbbbbbbbbbbbbbbbbbb";
const EVE = "did:plc:eveeveeveeveeveeveeveeve";
const RESOLVE = "/xrpc/com.atproto.identity.resolveHandle?handle=";

/** A server that knows two accounts, and one whose handle is not its own. */
interface Network extends AsyncDisposable {
  readonly server: SimulateServer;
  /** Paths and queries of what was no handshake. */
  readonly asked: readonly string[];
  /** The accounts that each handshake asked for. */
  readonly wanted: readonly string[][];
}

async function network(options: SimulateOptions = {}): Promise<Network> {
  const asked: string[] = [], wanted: string[][] = [];
  const server = await startSimulate({
    identities: [
      { handle: "alice.bsky.social", did: ALICE },
      { handle: "bob.bsky.social", did: BOB },
      { handle: "eve.test", did: EVE, claims: ["mallory.test"] },
    ],
    onHttp: ({ url }) => void asked.push(decodeURIComponent(`${url.pathname}${url.search}`)),
    onRequest: ({ url }) => void wanted.push(url.searchParams.getAll("wantedDids")),
    ...options,
  });
  return { server, asked, wanted, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const command = ({ server }: Network, ...args: string[]): string[] => [
  ...["connector", "--url", server.jetstream, "--resolver-url", server.url, "--plc-url", server.url, "--json"],
  ...args,
];

Deno.test("C16: two handles, however they are written: two requests, two wanted accounts", async () => {
  using folder = tempFolder();
  await using net = await network();
  const args = command(net, "-u", " @Alice.bsky.social, ,bob.bsky.social ");
  const end = await runUntil(folder.path, "Connected to", args);
  assert.equal(captureOf(end).ended_by, "signal");
  assert.deepEqual(net.asked.filter((path) => path.startsWith(RESOLVE)).toSorted(), [
    `${RESOLVE}alice.bsky.social`,
    `${RESOLVE}bob.bsky.social`,
  ]);
  assert.deepEqual(net.wanted, [[ALICE, BOB]]);
  assert(end.stderr.some((line) => line.endsWith(`alice.bsky.social = ${ALICE}`)));
});

Deno.test("C17: an unknown and an unclaimed handle are both named, before any WebSocket and any file", async () => {
  using folder = tempFolder();
  await using net = await network();
  const end = await run(folder.path, command(net, "-u", "nobody.test,eve.test,bob.bsky.social"));
  assertMisuse(end, /^Cannot resolve handles: nobody\.test \(.*\), eve\.test \(did:plc:eve\w+ claims mallory\.test\)$/);
  assert.deepEqual([net.wanted, filesIn(folder.path)], [[], []]);
});

Deno.test("C18: a DID is taken as it is; what is no handle is refused without a request", async () => {
  using folder = tempFolder();
  await using net = await network();
  captureOf(await runUntil(folder.path, "Connected to", command(net, "-d", BOB, "-u", `${ALICE},${BOB}`)));
  assert.deepEqual([net.wanted, net.asked], [[[BOB, ALICE]], []]);
  const { requests } = net.server.counters;
  const end = await run(folder.path, command(net, "-u", "alice.bsky.social,not a handle"));
  assertMisuse(end, /^Cannot use handle "not a handle"/);
  assert.deepEqual([net.server.counters.requests, net.asked], [requests, []]);
});

Deno.test("C19: a resolver that is busy once is waited for; one in trouble for ever ends the run within 30 s", async () => {
  using folder = tempFolder();
  await using busy = await network({ xrpc: { status: 429, times: 1, retryAfter: 1 }, accounts: 5 });
  const handle = "user1.simulate.test";
  const summary = captureOf(await run(folder.path, command(busy, "-n", "10", "-u", handle)));
  assert(summary.total_time >= 1 && summary.records_counted === 10);
  assert.deepEqual(new Set(recordsIn(queueIn(folder.path)).map(({ did }) => did)), new Set(busy.wanted[0]));
  await using broken = await network({ xrpc: { status: 500 } });
  const startedAt = performance.now();
  const end = await run(folder.path, command(broken, "-u", handle));
  assert.equal(end.code, 1);
  assert.match(end.stderr.at(-1)!, /^Cannot resolve handle user1\.simulate\.test by \S+: it answers 500$/);
  assert(performance.now() - startedAt < 32_000);
  assert.deepEqual([broken.wanted, broken.asked.length > 1], [[], true]);
});

Deno.test("-u with --dry-run: the handles are resolved all the same", async () => {
  using folder = tempFolder();
  const args = ["connector", "--simulate", "-c", "all", "-n", "2", "--dry-run", "--json", "-u"];
  const end = await run(folder.path, [...args, "user7.simulate.test"]);
  assert.equal(captureOf(end).records_counted, 2);
  assert(end.stderr.some((line) => / handles: user7\.simulate\.test = did:plc:\w+$/.test(line)));
  assertMisuse(await run(folder.path, [...args, "nobody.test"]), /nobody\.test/);
  assert.deepEqual(filesIn(folder.path), []);
});
