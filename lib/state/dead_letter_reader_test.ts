import assert from "node:assert/strict";
import type { Letter } from "../pipeline/deliver.ts";
import { ConfigError, PoisonError } from "../pipeline/errors.ts";
import { openDeadLetter } from "./dead_letter.ts";
import { type ListDeadLetterOptions, type ListedEntry, onlyDeadLetter } from "./dead_letter_reader.ts";
import { listDeadLetter, purgeDeadLetter, showDeadLetter } from "./dead_letter_reader.ts";
import { inFolder } from "../../tests/support/temp.ts";

const never = { signal: new AbortController().signal };

const letter = (reason: string, stage: string, raw: string): Letter => ({
  stage,
  raw,
  error: new PoisonError(reason, "No"),
});

/** Entries a1 (source), b1, a2 (sqlite), written one second apart from 2026-01-01T00:00:00Z on. */
async function sample(folder: string): Promise<{ path: string; ids: string[] }> {
  const path = `${folder}/k.ndjson`;
  const lines: string[] = [], ids: string[] = [];
  for (const [i, [reason, stage]] of [["a", "source"], ["b", "sqlite"], ["a", "sqlite"]].entries()) {
    ids.push(`01ARYZ6S41000000000000000${i}`);
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString();
    lines.push(JSON.stringify({ id: ids[i], at, command: "c", key: "k", stage, reason, error: "No", text: `m${i}` }));
  }
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
  return { path, ids };
}

const mark = (id: string, state: string) => JSON.stringify({ mark: id, state, at: "2026-01-02T00:00:00.000Z" }) + "\n";

async function list(path: string, options?: ListDeadLetterOptions): Promise<ListedEntry[]> {
  return await Array.fromAsync(listDeadLetter(path, options));
}

const texts = (listed: readonly ListedEntry[]) => listed.map(({ entry }) => entry.text);

Deno.test("T16: list filters by reason, stage and time, oldest first, up to a limit", () =>
  inFolder(async (folder) => {
    const { path } = await sample(folder);
    const second = Date.UTC(2026, 0, 1, 0, 0, 1);
    assert.deepEqual(texts(await list(path)), ["m0", "m1", "m2"]);
    assert.deepEqual(texts(await list(path, { reason: "a" })), ["m0", "m2"]);
    assert.deepEqual(texts(await list(path, { reason: "a", stage: "sqlite" })), ["m2"]);
    assert.deepEqual(texts(await list(path, { since: second })), ["m1", "m2"]);
    assert.deepEqual(texts(await list(path, { before: second })), ["m0"]);
    assert.deepEqual(texts(await list(path, { limit: 2 })), ["m0", "m1"]);
  }));

Deno.test("T16: the last mark of an entry counts; retried ones are listed on request", () =>
  inFolder(async (folder) => {
    const { path, ids } = await sample(folder);
    const marks = mark(ids[0]!, "retried") + mark(ids[1]!, "retried") + mark(ids[1]!, "open");
    await Deno.writeTextFile(path, marks, { append: true });
    assert.deepEqual(texts(await list(path)), ["m1", "m2"]);
    assert.deepEqual((await list(path, { all: true })).map(({ state }) => state), ["retried", "open", "open"]);
    const shown = await showDeadLetter(path, [ids[2]!, ids[0]!]);
    assert.deepEqual(shown.map(({ entry, state }) => [entry.text, state]), [["m0", "retried"], ["m2", "open"]]);
    await assert.rejects(showDeadLetter(path, [ids[0]!, "nope"]), /Cannot show "nope": .* has no such entry/);
  }));

Deno.test("lines that cannot be read are skipped and counted, lines of any length are read", () =>
  inFolder(async (folder) => {
    const { path } = await sample(folder);
    const good = await Deno.readTextFile(path);
    const long = good.split("\n")[0]!.replace("m0", "x".repeat(200_000));
    await Deno.writeTextFile(path, `nonsense\n${good}{"id":1}\n\n${long}\n[]\n{"id":"torn`);
    let unreadable = 0;
    const listed = await list(path, { onUnreadable: (lines) => unreadable = lines });
    assert.equal(listed.length, 4);
    assert.equal((listed[3]!.entry.text as string).length, 200_000);
    assert.equal(unreadable, 5);
  }));

Deno.test("T16: purge removes what matches, marks go with their entries, unreadable lines stay", () =>
  inFolder(async (folder) => {
    const { path, ids } = await sample(folder);
    await Deno.writeTextFile(path, "nonsense\n" + mark(ids[1]!, "retried") + mark(ids[2]!, "retried"), {
      append: true,
    });
    assert.deepEqual(await purgeDeadLetter(path, { reason: "b" }), { removed: 1, kept: 2, unreadable: 1 });
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.deepEqual((await Deno.readTextFile(path)).match(/"mark":"(\w+)"/g), [`"mark":"${ids[2]}"`]);
    assert.deepEqual(await purgeDeadLetter(path, { retried: true }), { removed: 1, kept: 1, unreadable: 1 });
    assert.deepEqual(texts(await list(path)), ["m0"]);
    assert.deepEqual(await purgeDeadLetter(path, { before: Date.UTC(2026, 0, 1) }), {
      removed: 0,
      kept: 1,
      unreadable: 1,
    });
    assert.deepEqual(await purgeDeadLetter(path, { all: true }), { removed: 1, kept: 0, unreadable: 0 });
    assert.equal(await Deno.readTextFile(path), "");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["k.ndjson"]);
  }));

Deno.test("purge wants a filter, and a file", () =>
  inFolder(async (folder) => {
    const { path } = await sample(folder);
    await assert.rejects(purgeDeadLetter(path, { reason: undefined, retried: false }), ConfigError);
    assert.equal((await list(path)).length, 3);
    await assert.rejects(purgeDeadLetter(`${folder}/no.ndjson`, { all: true }), ConfigError);
    await assert.rejects(list(`${folder}/no.ndjson`), ConfigError);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["k.ndjson"]);
  }));

Deno.test("T17: a hundred purges while 10,000 entries are appended lose none", () =>
  inFolder(async (folder) => {
    const path = `${folder}/k.ndjson`;
    const dead = await openDeadLetter({ path, maxBytes: 1e9, command: "c", key: "k" });
    await dead.append([letter("first", "source", "first")], never);
    let purged = 0, purges = 0, appended = false;
    const purging = (async () => {
      while (!appended || purges < 100) {
        purged += (await purgeDeadLetter(path, { reason: "b" })).removed;
        purges++;
      }
    })();
    for (let i = 0; i < 10_000; i += 50) {
      await dead.append(Array.from({ length: 50 }, (_, n) => letter("ab"[n % 2]!, "source", `${i + n}`)), never);
    }
    appended = true;
    await purging;
    assert.equal(purged, 5_000);
    const left = await list(path);
    assert.deepEqual(texts(left), ["first", ...Array.from({ length: 5_000 }, (_, n) => `${2 * n}`)]);
  }));

Deno.test("the only dead letter is found; none or several are said", () =>
  inFolder(async (folder) => {
    await assert.rejects(onlyDeadLetter(folder), /there is none in/);
    await Deno.mkdir(`${folder}/dead-letter`);
    await Deno.writeTextFile(`${folder}/dead-letter/b.ndjson`, "");
    await Deno.writeTextFile(`${folder}/dead-letter/.b.ndjson.tmp`, "");
    assert.equal(await onlyDeadLetter(folder), `${folder}/dead-letter/b.ndjson`);
    await Deno.writeTextFile(`${folder}/dead-letter/a.ndjson`, "");
    await assert.rejects(onlyDeadLetter(folder), /there are several \(a, b\)/);
  }));
