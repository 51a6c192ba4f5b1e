import assert from "node:assert/strict";
import { inFolder } from "../../tests/support/temp.ts";
import type { Letter } from "../pipeline/deliver.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { delay } from "../pipeline/retry.ts";
import { openDeadLetter } from "./dead_letter.ts";
import { type DeadLetterEntry, listDeadLetter, openSnapshot, purgeDeadLetter } from "./dead_letter_reader.ts";
import { openRetries } from "./dead_letter_retry.ts";

const MAX_BYTES = 2 ** 30;
const NEVER = { signal: new AbortController().signal };

const unread = (raw: string): Letter => ({ stage: "source", error: new PoisonError("not_json", "Not JSON"), raw });

/** A dead letter with a message for each text. */
async function filled(folder: string, ...texts: string[]): Promise<{ path: string; entries: DeadLetterEntry[] }> {
  const path = `${folder}/k.ndjson`;
  const dead = await openDeadLetter({ path, maxBytes: MAX_BYTES, command: "jetstream", key: "k" });
  await dead.append(texts.map(unread), NEVER);
  return { path, entries: await openIn(path) };
}

const openIn = async (path: string) => (await Array.fromAsync(listDeadLetter(path))).map(({ entry }) => entry);
const again = { stage: "source", error: new PoisonError("invalid", "It has no did"), raw: "" };

Deno.test("T16: marked entries are closed, the others stay open", () =>
  inFolder(async (folder) => {
    const { path, entries: [a, b, c] } = await filled(folder, "a", "b", "c");
    const retries = await openRetries({ path, maxBytes: MAX_BYTES });
    await retries.mark([], NEVER);
    await retries.mark([a!.id, c!.id], NEVER);
    assert.deepEqual(await openIn(path), [b]);
    const last = JSON.parse((await Deno.readTextFile(path)).trimEnd().split("\n").at(-1)!);
    assert.deepEqual(Object.keys(last), ["mark", "state", "at"]);
    assert.deepEqual([last.mark, last.state], [c!.id, "retried"]);
  }));

Deno.test("T16: of what has failed in part, the entry stays open until it is marked, and so does the new one", () =>
  inFolder(async (folder) => {
    const { path, entries: [a] } = await filled(folder, "a");
    const retries = await openRetries({ path, maxBytes: MAX_BYTES });
    await retries.replace([{ entry: { ...a!, op: 1 } as DeadLetterEntry, letter: again, part: true }], NEVER);
    const [old, part] = await openIn(path);
    assert.deepEqual(old, a);
    const { id, at } = part!;
    const said = { ...a, id, at, op: 1, reason: "invalid", error: "It has no did" };
    assert.deepEqual(part, { ...said, retry_of: a!.id, part: true });
    await retries.mark([a!.id], NEVER);
    assert.deepEqual(await openIn(path), [part]);

    await retries.replace([{ entry: part!, letter: again }], NEVER);
    const [fresh, ...others] = await openIn(path);
    assert.deepEqual([fresh!.retry_of, fresh!.part, others], [part!.id, undefined, []]);
  }));

Deno.test("T16: what fails again gets an entry that names the old one, which is closed; purge --retried leaves only that", () =>
  inFolder(async (folder) => {
    const { path, entries: [a, b] } = await filled(folder, "a", "b");
    const retries = await openRetries({ path, maxBytes: MAX_BYTES });
    await retries.replace([{ entry: a!, letter: again }], NEVER);
    const [still, fresh, ...rest] = await openIn(path);
    assert.deepEqual(rest, []);
    assert.deepEqual(still, b);
    assert(fresh!.id > b!.id);
    const { id, at } = fresh!;
    assert.deepEqual(fresh, { ...a, id, at, reason: "invalid", error: "It has no did", retry_of: a!.id });
    await retries.mark([b!.id], NEVER);
    assert.deepEqual(await purgeDeadLetter(path, { retried: true }), { removed: 2, kept: 1, unreadable: 0 });
    assert.deepEqual((await Deno.readTextFile(path)).split("\n").length, 2);
    assert.deepEqual(await openIn(path), [fresh]);
  }));

Deno.test("a kill between the new entry and the mark leaves the old one closed all the same", () =>
  inFolder(async (folder) => {
    const { path, entries: [a] } = await filled(folder, "a");
    await (await openRetries({ path, maxBytes: MAX_BYTES })).replace([{ entry: a!, letter: again }], NEVER);
    const text = await Deno.readTextFile(path);
    for (const cut of [text.lastIndexOf(`{"mark"`), text.length - 5]) {
      await Deno.writeTextFile(path, text.slice(0, cut));
      assert.deepEqual((await openIn(path)).map(({ retry_of }) => retry_of), [a!.id]);
    }
  }));

Deno.test("T18: in a full file marks find room, new entries wait until it is purged", () =>
  inFolder(async (folder) => {
    const { path, entries: [a, b] } = await filled(folder, "a".repeat(1000), "b");
    const retries = await openRetries({ path, maxBytes: 500, pollMs: 5 });
    await retries.mark([a!.id], NEVER);
    let done = false;
    const replacing = retries.replace([{ entry: b!, letter: again }], NEVER).then(() => done = true);
    await delay(50);
    assert.equal(done, false);
    await purgeDeadLetter(path, { retried: true });
    await replacing;
    assert.deepEqual((await openIn(path)).map(({ retry_of }) => retry_of), [b!.id]);
  }));

Deno.test("a snapshot has what was there when it was opened, whatever is appended or purged meanwhile", () =>
  inFolder(async (folder) => {
    const { path, entries } = await filled(folder, "a", "b");
    using snapshot = await openSnapshot(path);
    await (await openRetries({ path, maxBytes: MAX_BYTES })).replace([{ entry: entries[0]!, letter: again }], NEVER);
    await purgeDeadLetter(path, { all: true });
    for (let walk = 0; walk < 2; walk++) {
      assert.deepEqual((await Array.fromAsync(snapshot.entries())).map(({ entry }) => entry), entries);
    }
    const ids = new Set([entries[1]!.id]);
    assert.deepEqual((await Array.fromAsync(snapshot.entries({ ids }))).map(({ entry }) => entry), [entries[1]]);
  }));

Deno.test("T16: a purge takes marks along whose entries are gone", () =>
  inFolder(async (folder) => {
    const { path, entries: [a, b] } = await filled(folder, "a", "b");
    const retries = await openRetries({ path, maxBytes: MAX_BYTES });
    await purgeDeadLetter(path, { reason: "not_json" });
    await retries.mark([a!.id, b!.id], NEVER); // a retry that read the file before
    assert.deepEqual(await purgeDeadLetter(path, { retried: true }), { removed: 0, kept: 0, unreadable: 0 });
    assert.equal(await Deno.readTextFile(path), "");
  }));
