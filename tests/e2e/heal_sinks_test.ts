import assert from "node:assert/strict";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import { placeIn } from "../support/elasticsearch_replay.ts";
import { from, meetHole, outcomeOf } from "../support/heal_run.ts";
import { range } from "../support/jetstream_run.ts";
import { assertMisuse, run } from "../support/program.ts";
import { recordsIn } from "../support/queue.ts";
import { startReceiver } from "../support/receiver.ts";
import { serviceTest } from "../support/services.ts";
import { sparseJetstream } from "../support/sparse_jetstream.ts";
import { tempFolder } from "../support/temp.ts";

const elasticsearch = sharedElasticsearch();

/** Events around a gap that come once more where the sink cannot say what it holds: those of the overlap, 10 s apart, at both ends. */
const AROUND = 4;

/** The numbers of events, from their accounts. */
const numbersOf = (dids: readonly string[]) => dids.map((did) => Number(did.slice(8)));

/**
 * Meets a gap with a sink, heals it into the same one, and answers what is there. `read`: the accounts of the events.
 * Without the options of the sink it is refused.
 */
async function heal(
  folder: string,
  sink: readonly string[],
  read: () => Promise<readonly string[]> | readonly string[],
): Promise<number[]> {
  const state = { oldest: 1, args: [] as string[] };
  await using server = await sparseJetstream(() => state.oldest);
  state.args = [...from(server), ...sink];
  await meetHole(folder, state);
  assert.deepEqual(new Set(numbersOf(await read())), new Set([...range(1, 5), 20, 21, 22]));
  state.oldest = 1;
  const args = ["gaps", "heal", ...from(server)];
  assertMisuse(await run(folder, args), /^Cannot heal gap 1 of .*gaps\.db: .* would go into .*bskyingest\.db/);
  assert.deepEqual(outcomeOf(await run(folder, [...args, ...sink, "--json"]), 0), { healed: [1], open: [] });
  const { code, stdout } = await run(folder, ["gaps", "list", "--all", "--json"]);
  assert.deepEqual([code, stdout.map((line) => JSON.parse(line).state)], [0, ["healed"]]);
  return numbersOf(await read());
}

/** Every event is there, and only those around the gap are there twice. */
function assertWhole(numbers: readonly number[]): void {
  assert.deepEqual([...new Set(numbers)].sort((a, b) => a - b), range(1, 22));
  assert.equal(numbers.length, 22 + AROUND, numbers.join());
}

Deno.test("T20: a gap of an NDJSON file is healed into that file, and nowhere else", async () => {
  using folder = tempFolder();
  const lines = () => Deno.readTextFileSync(`${folder.path}/posts.ndjson`).trimEnd().split("\n");
  const read = () => lines().map((line) => JSON.parse(line).did);
  assertWhole(await heal(folder.path, ["--sink", "ndjson", "--out", "posts.ndjson"], read));
});

Deno.test("T20: a gap of a queue is healed into that queue, and nowhere else", async () => {
  using folder = tempFolder();
  const sink = ["--sink", "queue", "--queue-dir", ".", "--queue-name", "posts"];
  assertWhole(await heal(folder.path, sink, () => recordsIn(`${folder.path}/posts.db`).map(({ did }) => did)));
});

Deno.test("T20: a gap of a webhook is delivered to that endpoint, and nowhere else", async () => {
  using folder = tempFolder();
  await using receiver = await startReceiver();
  const sink = ["--sink", "webhook", "--webhook-url", receiver.url, "--webhook-allow-private"];
  const read = () => receiver.taken.map(({ body }) => JSON.parse(body).did);
  assertWhole(await heal(folder.path, sink, read));
});

serviceTest("T20: a gap of Elasticsearch is healed into these indices, and every event is one document", [
  "elasticsearch",
], async () => {
  using folder = tempFolder();
  const { args, prefix } = placeIn(elasticsearch);
  const read = async () => (await elasticsearch.es.hits(`${prefix}*`)).map(({ _id }) => _id.split("/")[2]!);
  const numbers = await heal(folder.path, ["--sink", "elasticsearch", ...args], read);
  assert.deepEqual(numbers.sort((a, b) => a - b), range(1, 22));
});
