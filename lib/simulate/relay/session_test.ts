import assert from "node:assert/strict";
import { realTest } from "../../../tests/support/real_data.ts";
import { splitFrame } from "../../atproto/frame.ts";
import { decodeRepoMessage } from "../../atproto/repo_message.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Faults } from "../faults.ts";
import {
  LABELS_PATH,
  loadFrames,
  REPOS_PATH,
  type SimulateOptions,
  type SimulateServer,
  startSimulate,
} from "../server.ts";
import { infoFrame, labelsFrame } from "../repos/messages.ts";
import { readFrame } from "../repos/test_reader.ts";
import { connect, dial, type Refused, type TestClient } from "../test_client.ts";

const small: SimulateOptions = { epoch: Date.UTC(2026, 0, 1) * 1000, accounts: 20, sign: false };
const urlOf = (server: SimulateServer, cursor?: number | string, path = REPOS_PATH) =>
  `${server.relay}${path}${cursor === undefined ? "" : `?cursor=${cursor}`}`;
const frames = (client: TestClient) => client.messages as Uint8Array[];
const seqs = (client: TestClient) => frames(client).map((frame) => readFrame(frame).body.seq as number | undefined);

/** The numbers of the first messages of a new connection; `undefined` for those that have none. */
async function first(server: SimulateServer, count: number, cursor?: number | string, path?: string) {
  await using client = await connect(urlOf(server, cursor, path));
  await client.atLeast(count);
  return seqs(client).slice(0, count);
}

/** All messages of a connection that the server ends. */
async function all(options: SimulateOptions, cursor?: number) {
  await using server = await startSimulate({ ...small, ...options });
  await using client = await connect(urlOf(server, cursor));
  const { code } = await client.ended;
  return { code, messages: client.messages, bodies: frames(client).map((frame) => readFrame(frame)) };
}

Deno.test("a cursor is exclusive, 0 the oldest, none the first that nobody has read; beyond what was sent goes on", async () => {
  await using server = await startSimulate(small);
  assert.deepEqual(await first(server, 2), [1, 2]);
  assert.deepEqual(await first(server, 2, 0), [1, 2]);
  assert.deepEqual(await first(server, 2, 42), [43, 44]);
  await using large = await startSimulate({ ...small, accounts: 50_000 });
  assert.deepEqual(await first(large, 1, 5_000_000), [5_000_001]);
  assert.deepEqual(await first(server, 2, 42, LABELS_PATH), [43, 44]);
  for (const cursor of ["x", "-1", "1.5", "9007199254740993"]) {
    const { status, body } = await dial(urlOf(server, cursor)) as Refused;
    assert.deepEqual([status, JSON.parse(body).error], [400, "InvalidRequest"], cursor);
  }
  const plain = await fetch(`${server.url}${REPOS_PATH}`);
  assert.deepEqual([plain.status, (await plain.json()).error], [426, "UpgradeRequired"]);
});

Deno.test("F7, F9: OutdatedCursor, then the oldest; FutureCursor, then the end; both unsaid by today's relays", async () => {
  const future = await all({ count: 100 }, 101);
  assert.deepEqual([future.code, future.bodies.length], [1006, 1]);
  assert.deepEqual(future.bodies[0]!.header, { op: -1 });
  assert.equal(future.bodies[0]!.body.error, "FutureCursor");
  await using server = await startSimulate({ ...small, oldest: 500, count: 600 });
  assert.deepEqual(await first(server, 2, 42), [undefined, 500]);
  assert.deepEqual(await first(server, 1, 499), [500]);
  assert.deepEqual(await first(server, 1, 0), [500]);
  await using quiet = await startSimulate({ ...small, oldest: 500, count: 600, quietCursors: true });
  assert.deepEqual(await first(quiet, 1, 700), [500]);
  assert.deepEqual(await first(quiet, 1, 42), [500]);
});

Deno.test("F6, F8: an error frame after N frames, with and without a type in its header", async () => {
  const after = async (errorFrame: NonNullable<Faults["errorFrame"]>) => {
    const { code, bodies } = await all({ errorFrame }, 0);
    return [code, bodies.length, bodies.at(-1)!.header, bodies.at(-1)!.body];
  };
  const slow = { after: 3, name: "ConsumerTooSlow" };
  assert.deepEqual(await after(slow), [1006, 4, { op: -1 }, { error: "ConsumerTooSlow" }]);
  const oops = { after: 0, name: "BigOops", message: "no", type: "#oops" };
  assert.deepEqual(await after(oops), [1006, 1, { op: -1, t: "#oops" }, { error: "BigOops", message: "no" }]);
});

Deno.test("F38, F39: numbers that go back, within a connection and behind the cursor", async () => {
  const { bodies } = await all({ goBack: { after: 3, by: 2 }, closeAfter: 6 }, 10);
  assert.deepEqual(bodies.map(({ body }) => body.seq), [11, 12, 13, 12, 13, 14]);
  const end = await all({ count: 3, goBack: { after: 3, by: 1 }, closeAfter: 4 }, 0);
  assert.deepEqual(end.bodies.map(({ body }) => body.seq), [1, 2, 3, 3]);
  const over = await all({ startAt: 5, closeAfter: 2, closeCode: 1011 }, 1000);
  assert.deepEqual([over.code, over.bodies.map(({ body }) => body.seq)], [1011, [5, 6]]);
});

Deno.test("F10, F11: every N-th frame is broken, in each of ten ways, the others are whole", async () => {
  const whole = await all({ closeAfter: 30 }, 0);
  await using server = await startSimulate({ ...small, closeAfter: 30, damage: 3 });
  await using client = await connect(urlOf(server, 0));
  await client.ended;
  const text = (message: string | Uint8Array) => typeof message === "string" ? message : message.toHex();
  const changed = client.messages.flatMap((message, n) => text(message) === text(whole.messages[n]!) ? [] : [n]);
  assert.deepEqual(changed, [2, 5, 8, 11, 14, 17, 20, 23, 26, 29]);
  assert.equal(client.messages[5], "not a frame");
  for (const n of changed.filter((n) => n !== 5)) {
    assert.throws(() => {
      const frame = splitFrame(frames(client)[n]!);
      if (frame.kind === "message") decodeRepoMessage(frame.type, frame.body);
    }, PoisonError);
  }
});

Deno.test("faults are scripted connection by connection: refusals, silence, anything at all", async () => {
  const script: Partial<Faults>[] = [
    { refuse: 429, retryAfter: 7 },
    { raw: [infoFrame("x"), "text", new Uint8Array(6_000_000)], closeAfter: 3, closeCode: 1008 },
    { stallAfter: 2 },
    { silent: true },
  ];
  const cursors: (string | null)[] = [];
  await using server = await startSimulate({
    ...small,
    onRequest: ({ url, n }) => {
      cursors.push(url.searchParams.get("cursor"));
      return script[n - 1];
    },
  });
  const refusal = await dial(urlOf(server)) as Refused;
  assert.deepEqual([refusal.status, refusal.retryAfter, JSON.parse(refusal.body).error], [
    429,
    "7",
    "RateLimitExceeded",
  ]);
  await using raw = await connect(urlOf(server, 1));
  assert.equal((await raw.ended).code, 1008);
  assert.deepEqual([raw.messages[1], raw.messages[2]!.length], ["text", 6_000_000]);
  await using stalled = await connect(urlOf(server, 2));
  await stalled.atLeast(2);
  await using silent = await connect(urlOf(server, 3));
  const pong = new Promise((resolve) => stalled.socket.once("pong", resolve));
  stalled.socket.ping();
  await pong;
  assert.deepEqual([stalled.messages.length, silent.messages.length, server.counters.open], [2, 0, 2]);
  assert.deepEqual(cursors, [null, "1", "2", "3"]);
});

Deno.test("a subscriber that sends something is sent away; a server that stops says so", async () => {
  const server = await startSimulate({ ...small, rate: 10 });
  await using talker = await connect(urlOf(server));
  talker.socket.send("hello");
  assert.equal((await talker.ended).code, 1003);
  await using client = await connect(urlOf(server));
  await server[Symbol.asyncDispose]();
  assert.equal((await client.ended).code, 1001);
});

Deno.test("--rate: as many frames a second", async () => {
  await using server = await startSimulate({ ...small, rate: 200 });
  await using client = await connect(urlOf(server, 0));
  await client.atLeast(1);
  const from = client.messages.length, since = performance.now();
  await client.atLeast(from + 200);
  const rate = 200 / ((performance.now() - since) / 1000);
  assert.ok(Math.abs(rate / 200 - 1) < 0.15, `${rate} frames/s`);
});

Deno.test("frames that are given are served byte by byte, whatever they hold", async () => {
  const given = [labelsFrame(3, []), infoFrame("Hello"), new Uint8Array(), labelsFrame(9, [{ val: "x" }])];
  await using server = await startSimulate({ labelFrames: given });
  await using client = await connect(urlOf(server, 0, LABELS_PATH));
  await client.atLeast(4);
  assert.deepEqual(frames(client), given);
  await using second = await connect(urlOf(server, 5, LABELS_PATH));
  await second.atLeast(1);
  assert.deepEqual(frames(second)[0], given[3]);
});

realTest("F2: recorded frames are served byte by byte, by their numbers", ["frames.bin.zst"], async ([path]) => {
  const recorded = await loadFrames(path!);
  assert.equal(recorded.length, 150);
  await using server = await startSimulate({ frames: recorded });
  await using client = await connect(urlOf(server));
  await client.atLeast(150);
  assert.deepEqual(frames(client), recorded.map((frame) => Uint8Array.from(frame)));
  assert.deepEqual(await first(server, 1, 31527015400), [31527015401]);
  assert.deepEqual(await first(server, 1, 31527015472), [undefined]); // FutureCursor
});
