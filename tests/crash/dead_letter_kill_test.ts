import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Child, startCli } from "../support/child.ts";
import { eventText, fillDeadLetter, refused, unread } from "../support/dead_letters.ts";
import { fileExists, parseSummary, rowsIn, run, until } from "../support/program.ts";
import { randomFrom, startNumber } from "../support/random.ts";
import { inFolder } from "../support/temp.ts";

const KILLS = 8;
const TOTAL = 6000;
const ALL = Array.from({ length: TOTAL }, (_, n) => n);

/** Every other entry of the sink, the others of the source, every tenth unreadable. */
async function fill(folder: string, sink: string): Promise<string> {
  const letters = ALL.map((n) => {
    const text = eventText(n);
    return n % 2 === 1 ? refused(sink, text) : unread(n % 10 === 0 ? text.slice(0, -1) : text);
  });
  return await fillDeadLetter(folder, letters);
}

const READABLE = ALL.filter((n) => n % 10 !== 0);

/** Kills retries at random moments, then lets one come to its end. */
async function killOften(folder: string, args: readonly string[], size: () => number, what: string): Promise<number> {
  const random = randomFrom(startNumber(what));
  const command = ["dead-letter", "retry", "--batch-size", "40", "--checkpoint-interval", "20ms", ...args];
  let killed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const before = size();
    await using child: Child = startCli(command, { cwd: folder });
    let ended = false;
    void child.status.then(() => ended = true);
    await until(() => ended || size() > before, "something to be written");
    await child.killWithin(40, random);
    killed += Number((await child.status).signal === "SIGKILL");
  }
  const last = await run(folder, [...command, "--reason", "too_early", "--json"]);
  assert.equal(last.code, 3 * Number(parseSummary(last, last.code).dead_lettered > 0));
  return killed;
}

/** What is open at the end: the unreadable ones, each once. */
async function assertLeft(folder: string): Promise<void> {
  const { stdout } = await run(folder, ["dead-letter", "list", "--json", "--limit", String(TOTAL)]);
  const texts = stdout.map((line) => JSON.parse(line).text);
  assert.deepEqual(texts.sort(), ALL.filter((n) => n % 10 === 0).map((n) => eventText(n).slice(0, -1)).sort());
}

Deno.test(`dead-letter retry into SQLite, killed ${KILLS} times: every event once, in order`, () =>
  inFolder(async (folder) => {
    await fill(folder, "sqlite");
    const db = `${folder}/bskyingest.db`;
    const killed = await killOften(folder, [], () => rowsIn(db), "kill -9 of dead-letter retry into SQLite");
    assert(killed > KILLS / 2, `only ${killed} were killed`);
    using file = new DatabaseSync(db, { readOnly: true });
    const dids = file.prepare("SELECT did FROM events ORDER BY position").all().map(({ did }) => did);
    assert.deepEqual(dids, READABLE.map((n) => `did:plc:${n}`));
    await assertLeft(folder);
  }));

Deno.test(`dead-letter retry into NDJSON, killed ${KILLS} times: every event, the first time in order`, () =>
  inFolder(async (folder) => {
    await fill(folder, "ndjson");
    const out = `${folder}/bskyingest.ndjson`;
    const size = () => fileExists(out) ? Deno.statSync(out).size : 0;
    const killed = await killOften(folder, ["--sink", "ndjson"], size, "kill -9 of dead-letter retry into NDJSON");
    assert(killed > KILLS / 2, `only ${killed} were killed`);
    const lines = (await Deno.readTextFile(out)).trimEnd().split("\n");
    assert.deepEqual([...new Set(lines)], READABLE.map((n) => eventText(n)));
    await assertLeft(folder);
  }));
