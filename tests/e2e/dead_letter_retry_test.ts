import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { V1_DICTIONARY_ID } from "../../lib/net/zstd/ids.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { startCli } from "../support/child.ts";
import { deadLetterIn, eventText, fillDeadLetter, refused, unread } from "../support/dead_letters.ts";
import { assertCalm, assertMisuse, fileExists, parseSummary, rowsIn, run, until } from "../support/program.ts";
import { itemReplies } from "../support/memory_elasticsearch.ts";
import { scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { inFolder } from "../support/temp.ts";
import { storedFrame } from "../support/zstd_frames.ts";

const dead = (folder: string, ...args: string[]) => run(folder, ["dead-letter", ...args]);

/** The summary of a retry, which must end with `code`. */
async function retry(folder: string, args: readonly string[] = [], code = 0) {
  const end = await dead(folder, "retry", "--json", ...args);
  assertCalm(end);
  return parseSummary(end, code) as ReturnType<typeof parseSummary> & { readonly left: number };
}

async function list(folder: string, ...args: string[]): Promise<Record<string, string>[]> {
  return (await dead(folder, "list", "--json", ...args)).stdout.map((line) => JSON.parse(line));
}

function query(path: string, sql: string): unknown[] {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare(sql).all().map((row) => ({ ...row }));
}

function change(path: string, sql: string): void {
  using db = new DatabaseSync(path);
  db.exec(sql);
}

Deno.test("T16: one dead letter of each stage: list, show, retry in vain, retry after mending, purge", () =>
  inFolder(async (folder) => {
    const db = `${folder}/bskyingest.db`;
    const lines = [eventText(1), eventText(2, "no"), eventText(3).replace(`"text":"hello",`, "")];
    await Deno.writeTextFile(`${folder}/first.jsonl`, `${eventText(0)}\n`);
    await Deno.writeTextFile(`${folder}/x.jsonl`, lines.join("\n"));
    assert.equal((await run(folder, ["replay", "first.jsonl"])).code, 0);
    change(
      db,
      "CREATE TRIGGER no BEFORE INSERT ON events WHEN new.json LIKE '%\"no\"%' BEGIN SELECT RAISE(ABORT, 'constraint failed: not this one'); END",
    );
    const path = deadLetterIn(folder);
    await fillDeadLetter(folder, [unread(storedFrame(eventText(4), SIMULATE_DICTIONARY_ID))]);
    const ended = await run(folder, ["replay", "x.jsonl", "--validate", "reject", "--dead-letter", path]);
    assert.equal(ended.code, 3, ended.stderr.join("\n"));
    assert.equal(rowsIn(db), 2);

    const before = await list(folder);
    const stages = before.map(({ stage, reason, command }) => [stage, reason, command]);
    assert.deepEqual(stages.sort(), [
      ["filter", "lexicon", "replay"],
      ["source", "too_early", "jetstream"],
      ["sqlite", "constraint", "replay"],
    ]);
    assert.match((await dead(folder, "show", before[0]!.id!)).stdout.join("\n"), /28 b5 2f fd/);
    const positions = query(db, "SELECT key, cursor FROM cursors ORDER BY key");

    const vain = await retry(folder, ["--validate", "reject"], 3);
    assert.deepEqual([vain.received, vain.written, vain.rejected, vain.dead_lettered, vain.left], [3, 0, 1, 3, 0]);
    const again = await list(folder);
    assert.deepEqual(again.map(({ retry_of }) => retry_of).sort(), before.map(({ id }) => id).sort());
    assert.deepEqual(again.map(({ stage, reason }) => [stage, reason]).sort(), [
      ["filter", "lexicon"],
      ["source", "unknown_dictionary"],
      ["sqlite", "constraint"],
    ]);
    assert.equal(again.filter(({ command }) => command === "jetstream").length, 1, "command and key stay");

    change(db, "DROP TRIGGER no");
    await Deno.writeFile(`${folder}/own.zdict`, simulateDictionary());
    const mended = await retry(folder, ["--zstd-dictionary", "own.zdict"]);
    assert.deepEqual([mended.received, mended.written, mended.sink, mended.cursor], [3, 3, "sqlite", null]);
    assert.deepEqual(await list(folder), []);
    assert.equal((await list(folder, "--all")).length, 6);
    const rows = query(
      db,
      "SELECT did, source, wire, host FROM events JOIN origins ON origins.id = origin WHERE position > 2",
    );
    assert.deepEqual(
      new Map(rows.map((row) => Object.values(row as object)).map(([did, ...origin]) => [did, origin])),
      new Map([
        ["did:plc:2", ["replay", "v1", "x.jsonl"]],
        ["did:plc:3", ["replay", "v1", "x.jsonl"]],
        ["did:plc:4", ["jetstream", "v1", "h.test"]],
      ]),
    );
    const after = query(db, "SELECT key, cursor FROM cursors WHERE key NOT LIKE 'dead-letter:%' ORDER BY key");
    assert.deepEqual(after, positions, "no position of a run has moved");

    const nothing = await dead(folder, "retry");
    assert.deepEqual([nothing.code, nothing.stderr], [0, [`Nothing to retry in ${path}`]]);
    assert.equal((await retry(folder)).received, 0);
    assert.deepEqual((await dead(folder, "purge", "--retried")).stderr, ["Removed 6 entries, kept 0"]);
    assert.equal(await Deno.readTextFile(path), "");
  }));

Deno.test("what was cut, or of which nothing was kept, stays and is said; the rest goes", () =>
  inFolder(async (folder) => {
    const large = eventText(1, "x".repeat(1_100_000));
    await fillDeadLetter(folder, [unread(large), unread(""), unread(eventText(2))]);
    const end = await dead(folder, "retry");
    assert.equal(end.code, 3);
    assert.match(end.stderr.join("\n"), /stay: 1, only a part of the message was kept/);
    assert.match(end.stderr.join("\n"), /stay: 1, nothing of the message was kept/);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 1);
    const { received, left } = await retry(folder, [], 3);
    assert.deepEqual([received, left, (await list(folder)).length], [0, 2, 2]);
  }));

Deno.test("each entry goes to the sink that refused it, others to where new events would go; --sink is for all", () =>
  inFolder(async (folder) => {
    const letters = [
      refused("ndjson", eventText(1)),
      refused("sqlite", eventText(2)),
      unread(eventText(3)),
      refused("filter", eventText(4)),
    ];
    const lines = async (name: string) => (await Deno.readTextFile(`${folder}/${name}`)).trimEnd().split("\n");
    await fillDeadLetter(folder, letters);
    const env = { BSKYINGEST_SINK: "ndjson" };
    const end = await run(folder, ["dead-letter", "retry", "--out", "a.ndjson", "--json"], env);
    assert.equal(parseSummary(end).sink, "ndjson,sqlite");
    assert.deepEqual(await lines("a.ndjson"), [eventText(1), eventText(3), eventText(4)]);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 1);

    await fillDeadLetter(folder, letters);
    assert.equal((await retry(folder, ["--sink", "ndjson", "--out", "b.ndjson"])).written, 4);
    assert.deepEqual(await lines("b.ndjson"), [1, 2, 3, 4].map((n) => eventText(n)));

    await fillDeadLetter(folder, letters);
    const printed = await dead(folder, "retry", "--sink", "stdout", "--json");
    assert.deepEqual(printed.stdout, [1, 2, 3, 4].map((n) => eventText(n)));
    assert.equal(JSON.parse(printed.stderr.at(-1)!).written, 4);

    await fillDeadLetter(folder, [refused("constructor", eventText(1))]);
    assertMisuse(
      await dead(folder, "retry"),
      /^Cannot retry entries of stage "constructor": this version has no such sink/,
    );
    assert.equal((await retry(folder, ["--stage", "constructor", "--sink", "null"])).written, 1);
  }));

Deno.test("filters choose entries, and drop events, which counts as dealt with; a dry run changes nothing", () =>
  inFolder(async (folder) => {
    const texts = [eventText(1, "yes"), eventText(2, "no"), eventText(3, "yes")];
    const path = await fillDeadLetter(folder, [...texts.map(unread), unread("not json"), unread("nor this")]);
    const ids = (await list(folder)).map(({ id }) => id!);
    const before = await Deno.readTextFile(path);
    const where = ["--where", 'event.commit.record.text == "yes"'];
    const dry = await retry(folder, ["--dry-run", ...where], 3);
    assert.deepEqual([dry.would_write, dry.filtered, dry.dead_lettered], [2, 1, 2]);
    assert.equal(await Deno.readTextFile(path), before);
    assert.equal(fileExists(`${folder}/bskyingest.db`), false);

    assertMisuse(await dead(folder, "retry", "--id", `${ids[0]},01ARZ3NDEKTSV4RRFFQ69G5FAV`), /^Cannot retry "01ARZ3/);
    assertMisuse(await dead(folder, "retry", "--where", "event."), /^Cannot /);
    assertMisuse(await dead(folder, "retry", "-c", "nonsense"), /^Cannot use collection "nonsense"/);
    assert.equal((await retry(folder, ["--id", ids[2]!])).written, 1);
    assert.equal((await retry(folder, ["--reason", "other"])).received, 0);
    assert.equal((await retry(folder, ["--since", "2099-01-01"])).received, 0);
    assert.equal((await retry(folder, ["--id", ids[2]!])).received, 0, "it was retried");
    const rest = await retry(folder, where, 3);
    assert.deepEqual([rest.received, rest.written, rest.filtered, rest.dead_lettered], [4, 1, 1, 2]);
    const json = await retry(folder, ["--reason", "not_json", "-c", "app.bsky.feed.like"], 3);
    assert.equal(json.dead_lettered, 2);
    assert.deepEqual((await list(folder)).map(({ text }) => text), ["not json", "nor this"]);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 2);
  }));

Deno.test("two retries do not both do it; beside a running ingest one works, and its position stays", () =>
  inFolder(async (folder) => {
    const path = await fillDeadLetter(folder, [refused("sqlite", eventText(1)), unread(eventText(2))]);
    {
      await using _lock = await acquireLock(`${path}.lock`, { command: "dead-letter retry" });
      const { code, stderr } = await dead(folder, "retry");
      assert.equal(code, 75);
      assert.match(stderr.join("\n"), new RegExp(`dead-letter retry \\(pid ${Deno.pid} on`));
      assert.equal((await list(folder)).length, 2);
    }
    const db = `${folder}/bskyingest.db`;
    await using ingest = startCli(["jetstream", "--simulate", "-c", "all"], { cwd: folder });
    await until(() => rowsIn(db) > 0, "the first events");
    assert.equal((await retry(folder, ["--state-key", "jetstream"])).written, 2);
    ingest.kill("SIGTERM");
    assert.equal((await ingest.status).code, 0);
    const [{ n }] = query(db, "SELECT count(*) AS n FROM events WHERE did IN ('did:plc:1', 'did:plc:2')") as [
      { n: number },
    ];
    assert.equal(n, 2);
  }));

Deno.test("no dead letter, a sink that cannot be opened: exit 2, nothing is marked", () =>
  inFolder(async (folder) => {
    assertMisuse(await dead(folder, "retry"), /^Cannot find a dead letter/);
    assertMisuse(await dead(folder, "retry", "--dead-letter", "no.ndjson"), /^Cannot read the dead letter no.ndjson/);
    await fillDeadLetter(folder, [unread(eventText(1)), unread(storedFrame(eventText(2), V1_DICTIONARY_ID))]);
    assertMisuse(await dead(folder, "retry", "--db", "no/x.db"), /^Cannot .*no\/x\.db/);
    assertMisuse(await dead(folder, "retry", "--concurrency", "2"), /^Cannot use --concurrency 2 with --sink sqlite/);
    assertMisuse(await dead(folder, "retry", "--zstd-dictionary", "no.zdict"), /^Cannot read no.zdict/);
    assert.equal((await list(folder)).length, 2);
  }));

Deno.test("T16: what Elasticsearch refused for its mapping goes there again once that is mended", () =>
  inFolder(async (folder) => {
    const error = { type: "document_parsing_exception", reason: "failed to parse field [text]" };
    let mended = false;
    await using server = await scriptedElasticsearch({
      "POST /_bulk": (request) =>
        itemReplies(request, ({ id }) => mended || !id.includes("did:plc:2/") ? undefined : { status: 400, error }),
    });
    const env = { ELASTICSEARCH_URL: server.url };
    await Deno.writeTextFile(`${folder}/x.jsonl`, [1, 2, 3].map((n) => eventText(n)).join("\n"));
    const first = await run(folder, ["replay", "x.jsonl", "--setup", "off", "--json"], env);
    const { written, dead_lettered } = parseSummary(first, 3);
    assert.deepEqual([written, dead_lettered], [2, 1]);
    const [entry] = await list(folder);
    assert.deepEqual([entry!.stage, entry!.reason, entry!.host, entry!.wire], [
      ...["elasticsearch", error.type, "x.jsonl", "v1"],
    ]);

    const args = ["dead-letter", "retry", "--json", "--setup", "check"];
    const before = server.requests.length;
    const missing = await run(folder, args, env);
    assertMisuse(missing, /posts/);
    const looked = server.requests.slice(before).map(({ path }) => path).filter((path) => path !== "/");
    assert.deepEqual(looked.filter((path) => !path.includes("post")), [], "no other index is asked for");

    args.splice(-1, 1, "off");
    const vain = parseSummary(await run(folder, args, env), 3);
    assert.deepEqual([vain.sink, vain.dead_lettered], ["elasticsearch", 1]);
    const [again] = await list(folder);
    const { id: _id, at: _at, ...members } = again!;
    const { id, at: __, ...old } = entry!;
    assert.deepEqual(members, { ...old, retry_of: id });

    mended = true;
    const done = parseSummary(await run(folder, args, env));
    assert.deepEqual([done.written, done.dead_lettered, done.elasticsearch?.superseded], [1, 0, 0]);
    assert.deepEqual(await list(folder), []);
    assert.equal(rowsIn(`${folder}/bskyingest.db`), 0);
  }));
