import assert from "node:assert/strict";
import { type SimulateOptions, type SimulateServer, startSimulate } from "../../lib/simulate/server.ts";
import { assertMisuse, type Ended, fileExists, run, runUntil } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

const EVE = "did:plc:eveeveeveeveeveeveeveeve", GONE = "did:plc:gonegonegonegonegonegone";

/** A server of 5 accounts, and the requests that it got. */
interface Network extends AsyncDisposable {
  readonly server: SimulateServer;
  /** Paths and queries of what was no handshake. */
  readonly asked: string[];
  /** The accounts that each handshake asked for. */
  readonly wanted: string[][];
}

async function network(options: SimulateOptions = {}): Promise<Network> {
  const asked: string[] = [], wanted: string[][] = [];
  const server = await startSimulate({
    accounts: 5,
    identities: [
      { handle: "eve.test", did: EVE, claims: ["mallory.test"] },
      { handle: "gone.test", did: GONE, tombstoned: true },
    ],
    onHttp: ({ url }) => void asked.push(decodeURIComponent(`${url.pathname}${url.search}`)),
    onRequest: ({ url }) => void wanted.push(url.searchParams.getAll("wantedDids")),
    ...options,
  });
  return { server, asked, wanted, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const RESOLVE = "/xrpc/com.atproto.identity.resolveHandle?handle=";

/** What `jetstream` needs to know of the server. */
function jetstreamArgs({ server }: Network): string[] {
  return [
    ...["jetstream", "--url", server.jetstream, "--wire", "v1", "--resolver-url", server.url, "--plc-url", server.url],
    ...["-c", "all", "-n", "20", "--sink", "stdout"],
  ];
}

/** `handle = DID` of the log. */
function announced({ stderr }: Ended): Map<string, string> {
  return new Map(stderr.flatMap((line) => {
    const [, handle, did] = / handles: (\S+) = (\S+)$/.exec(line) ?? [];
    return handle === undefined ? [] : [[handle, did!] as const];
  }));
}

function didsIn({ stdout }: Ended): Set<string> {
  return new Set(stdout.map((line) => JSON.parse(line).did));
}

Deno.test("C16: two handles, however they are written: two requests, two wanted accounts", async () => {
  using folder = tempFolder();
  await using net = await network();
  const given = " @User1.simulate.test, ,user2.simulate.test ";
  const end = await run(folder.path, [...jetstreamArgs(net), "-u", given, "-u", "USER1.simulate.test"]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  const dids = announced(end);
  assert.deepEqual([...dids.keys()], ["user1.simulate.test", "user2.simulate.test"]);
  assert.deepEqual(net.wanted, [[...dids.values()]]);
  assert.deepEqual(didsIn(end), new Set(dids.values()));
  assert.deepEqual(net.asked.filter((path) => path.startsWith(RESOLVE)).toSorted(), [
    `${RESOLVE}user1.simulate.test`,
    `${RESOLVE}user2.simulate.test`,
  ]);
  assert.deepEqual(
    net.asked.filter((path) => path.startsWith("/did:")).toSorted(),
    [...dids.values()].map((did) => `/${did}`).toSorted(),
  );
});

Deno.test("C17: unknown, unclaimed and deactivated handles are all named, before any WebSocket", async () => {
  using folder = tempFolder();
  await using net = await network();
  const end = await run(folder.path, [
    ...jetstreamArgs(net),
    "-u",
    "nobody.test,eve.test,user1.simulate.test,gone.test",
  ]);
  assertMisuse(
    end,
    new RegExp(
      "^Cannot resolve handles: nobody\\.test \\(the resolver does not know it\\), " +
        `eve\\.test \\(${EVE} claims mallory\\.test\\), gone\\.test \\(${GONE} is deactivated\\)$`,
    ),
  );
  assert.deepEqual(net.wanted, []);
});

Deno.test("C18: a DID is used as it is and joins --wanted-dids, nobody is asked", async () => {
  using folder = tempFolder();
  await using net = await network();
  const args = [...jetstreamArgs(net), "-d", `${GONE},${EVE}`, "-u", `${EVE},did:web:Example.com`];
  const end = await runUntil(folder.path, "Connected to", args);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert.deepEqual([net.wanted, net.asked], [[[GONE, EVE, "did:web:Example.com"]], []]);
});

Deno.test("C18: what is no handle is refused without a request", async () => {
  using folder = tempFolder();
  await using net = await network();
  const end = await run(folder.path, [...jetstreamArgs(net), "-u", "user1.simulate.test,not a handle"]);
  assertMisuse(end, /^Cannot use handle "not a handle": it must be a name such as alice\.bsky\.social$/);
  assert.equal(net.server.counters.requests, 0);
});

Deno.test("C19: a resolver that is busy once is asked again when it said", async () => {
  using folder = tempFolder();
  await using net = await network({ xrpc: { status: 429, times: 1, retryAfter: 1 } });
  const startedAt = performance.now();
  const end = await run(folder.path, [...jetstreamArgs(net), "-u", "user1.simulate.test"]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert(performance.now() - startedAt >= 1000);
  assert.deepEqual(net.asked.slice(0, 2), [`${RESOLVE}user1.simulate.test`, `${RESOLVE}user1.simulate.test`]);
});

Deno.test("C19: a resolver in trouble for ever: exit 1 within the time of -t, before any WebSocket", async () => {
  using folder = tempFolder();
  await using net = await network({ xrpc: { status: 500 } });
  const startedAt = performance.now();
  const end = await run(folder.path, [...jetstreamArgs(net), "-t", "3", "-u", "user1.simulate.test"]);
  assert.equal(end.code, 1);
  assert.match(
    end.stderr.at(-1)!,
    /^Cannot resolve handle user1\.simulate\.test by 127\.0\.0\.1:\d+: it answers 500$/,
  );
  assert(performance.now() - startedAt < 10_000);
  assert.deepEqual([net.wanted, net.asked.length > 1], [[], true]);
});

Deno.test("--simulate knows its accounts by handle, and a dry run resolves them too", async () => {
  using folder = tempFolder();
  const args = ["jetstream", "--simulate", "-n", "5", "-u"];
  const end = await run(folder.path, [...args, "user7.simulate.test", "--dry-run", "--verbose"]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert.deepEqual([...announced(end).keys()], ["user7.simulate.test"]);
  assert.equal(fileExists(`${folder.path}/bskyingest.db`), false);
  assertMisuse(await run(folder.path, [...args, "nobody.test", "--dry-run"]), /nobody\.test/);
});

Deno.test("record takes handles too", async () => {
  using folder = tempFolder();
  await using net = await network();
  const args = ["record", ...jetstreamArgs(net).slice(0, -2), "--out", "-", "--format", "ndjson"];
  const end = await run(folder.path, [...args, "-u", "user3.simulate.test"]);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assert.deepEqual(net.wanted, [[...announced(end).values()]]);
  assert.deepEqual(didsIn(end), new Set(announced(end).values()));
});
