import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { type AnyEvent, eventId, toJson } from "../atproto/event.ts";
import { delay } from "../pipeline/retry.ts";
import type { Letter } from "../pipeline/deliver.ts";
import { ConfigError, PoisonError } from "../pipeline/errors.ts";
import { type DeadLetterOptions, openDeadLetter, originalBytes } from "./dead_letter.ts";

const GIB = 1_073_741_824;
const never = { signal: new AbortController().signal };

const EVENT: AnyEvent = {
  kind: "identity",
  did: "did:plc:abc",
  time_us: 1725911162329308,
  origin: { source: "jetstream", wire: "v1", host: "h" },
  identity: { did: "did:plc:abc", seq: 1 },
};

async function withPath(fn: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(`${folder}/k.ndjson`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const open = (path: string, options: Partial<DeadLetterOptions> = {}) =>
  openDeadLetter({ path, maxBytes: GIB, command: "jetstream", key: "k", pollMs: 5, ...options });

const ofSource = (raw: Letter["raw"], detail: Letter["detail"] = {}): Letter => ({
  stage: "source",
  error: new PoisonError("not_json", "Cannot read message: it is not JSON"),
  ...(raw !== undefined && { raw }),
  detail,
});

async function entries(path: string): Promise<Record<string, unknown>[]> {
  const text = await Deno.readTextFile(path);
  assert.ok(text.endsWith("\n"));
  return text.slice(0, -1).split("\n").map((line) => JSON.parse(line));
}

Deno.test("an event that a sink refused: its id and text beside what happened", () =>
  withPath(async (path) => {
    const dead = await open(path);
    await dead.append([{ stage: "sqlite", item: EVENT, error: new PoisonError("too_long", "Too long:\n  x") }], never);
    const [entry] = await entries(path);
    assert.deepEqual(Object.keys(entry!), [
      ...["id", "at", "command", "key", "stage", "reason", "error", "event_id", "event"],
      ...["host", "wire"],
    ]);
    assert.match(entry!.id as string, /^[0-9A-HJKMNP-TV-Z]{26}$/);
    assert.match(entry!.at as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual([entry!.command, entry!.key, entry!.stage], ["jetstream", "k", "sqlite"]);
    assert.deepEqual([entry!.reason, entry!.error], ["too_long", "Too long: x"]);
    assert.deepEqual([entry!.event_id, entry!.event], [eventId(EVENT), toJson(EVENT)]);
    assert.deepEqual([entry!.host, entry!.wire], ["h", "v1"]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  }));

Deno.test("a message of the source: size, digest and content, text or base64, beside what the source knows", () =>
  withPath(async (path) => {
    const dead = await open(path);
    const binary = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xff, 0x00);
    const text = `{"ü":"\u0000\n"`;
    const detail = { host: "h", wire: "v1", position: `{"v":1}`, id: "not this", stage: "nor this" };
    await dead.append([ofSource(text, detail), ofSource(new TextEncoder().encode(text)), ofSource(binary)], never);
    const [first, second, third] = await entries(path);
    assert.deepEqual([first!.host, first!.wire, first!.position], ["h", "v1", `{"v":1}`]);
    assert.deepEqual([first!.stage, (first!.id as string).length], ["source", 26]);
    const digest = createHash("sha256").update(text).digest("hex");
    for (const entry of [first!, second!]) {
      assert.deepEqual([entry.bytes, entry.sha256, entry.text], [Buffer.byteLength(text), digest, text]);
      assert.equal("base64" in entry || "truncated" in entry || "event" in entry, false);
    }
    assert.deepEqual([third!.bytes, third!.base64, "text" in third!], [
      6,
      Buffer.from(binary).toString("base64"),
      false,
    ]);
    assert.deepEqual(originalBytes(third!), binary);
    assert.equal(new TextDecoder().decode(originalBytes(first!)), text);
    assert.throws(() => originalBytes({ id: "X" }), ConfigError);
  }));

Deno.test("content is cut at 1 MiB between characters, errors at 1,000 characters", () =>
  withPath(async (path) => {
    const dead = await open(path);
    const text = "x" + "é".repeat(600_000); // the limit falls into the middle of an é
    await dead.append([
      ofSource(text),
      ofSource(new Uint8Array(1_048_577).fill(0xff)),
      ofSource("x".repeat(1_048_576)),
      { stage: "source", error: new PoisonError("x", "e".repeat(999) + "😀") },
    ], never);
    const [first, second, third, fourth] = await entries(path);
    assert.deepEqual([first!.bytes, first!.truncated], [1_200_001, true]);
    assert.equal(first!.text, text.slice(0, 1 + 524_287));
    assert.deepEqual([second!.bytes, second!.truncated], [1_048_577, true]);
    assert.equal(originalBytes(second!).length, 1_048_576);
    assert.deepEqual([third!.bytes, "truncated" in third!], [1_048_576, false]);
    assert.equal(fourth!.error, "e".repeat(999) + "\ufffd");
  }));

Deno.test("no file is made before something has died; a place where none could be made is refused at once", () =>
  withPath(async (path, folder) => {
    const dead = await open(path);
    await dead.append([], never);
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    await assert.rejects(open(`${folder}/no/k.ndjson`), ConfigError);
    await assert.rejects(open(folder), ConfigError);
    await Deno.chmod(folder, 0o1777);
    await Deno.symlink(`${folder}/victim`, path);
    await assert.rejects(open(path), ConfigError);
  }));

Deno.test("ids grow over appends, which may come side by side", () =>
  withPath(async (path) => {
    const dead = await open(path);
    await Promise.all(Array.from({ length: 20 }, (_, i) => dead.append([ofSource(`a${i}`), ofSource(`b${i}`)], never)));
    const found = await entries(path);
    const ids = found.map(({ id }) => id);
    assert.deepEqual(ids, [...ids].sort());
    assert.equal(new Set(found.map(({ text }) => text)).size, 40);
  }));

Deno.test("an entry that kill -9 tore apart stays alone on its line", () =>
  withPath(async (path) => {
    const dead = await open(path);
    await dead.append([ofSource("one")], never);
    await Deno.writeTextFile(path, `{"id":"01`, { append: true });
    await dead.append([ofSource("two")], never);
    const lines = (await Deno.readTextFile(path)).split("\n");
    assert.equal(lines.length, 4);
    assert.equal(lines[1], `{"id":"01`);
    assert.equal(JSON.parse(lines[2]!).text, "two");
  }));

Deno.test("T18: a full dead letter waits, goes on when there is room, and loses nothing", () =>
  withPath(async (path) => {
    const dead = await open(path, { maxBytes: 600 });
    const letters = Array.from({ length: 6 }, (_, i) => ofSource(`message ${i}`));
    let done = false;
    const appending = dead.append(letters, never).then(() => done = true);
    const seen: unknown[] = [];
    while (!done) {
      await delay(10);
      if (!dead.full) continue;
      const { size } = await Deno.stat(path);
      assert.ok(size === 0 || size < 1000, `at most one entry beyond the limit, not ${size} bytes`);
      if (size >= 600) {
        seen.push(...(await entries(path)).map(({ text }) => text));
        await Deno.truncate(path);
      }
    }
    await appending;
    if ((await Deno.stat(path)).size > 0) seen.push(...(await entries(path)).map(({ text }) => text));
    assert.deepEqual(seen, letters.map(({ raw }) => raw));
    assert.equal(dead.full, false);
  }));

Deno.test("T18: stopped while full, the next run with a larger limit goes on", () =>
  withPath(async (path) => {
    const small = await open(path, { maxBytes: 10 });
    const controller = new AbortController();
    await small.append([ofSource("one")], never);
    const waiting = small.append([ofSource("two")], { signal: controller.signal });
    while (!small.full) await delay(5);
    controller.abort(new DOMException("stopped", "AbortError"));
    await assert.rejects(waiting, { name: "AbortError" });
    const large = await open(path);
    await large.append([ofSource("two")], never);
    assert.deepEqual((await entries(path)).map(({ text }) => text), ["one", "two"]);
  }));

Deno.test({
  name: "a full disk pauses too, and nothing is lost or doubled (/dev/full)",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withPath(async (path, folder) => {
      await Deno.symlink("/dev/full", path);
      const dead = await open(path);
      const appending = dead.append([ofSource("one"), ofSource("two")], never);
      while (!dead.full) await delay(5);
      await Deno.symlink(`${folder}/disk`, `${folder}/new`);
      await Deno.rename(`${folder}/new`, path);
      await appending;
      assert.deepEqual((await entries(path)).map(({ text }) => text), ["one", "two"]);
    }),
});

Deno.test("a file that was replaced meanwhile is opened again", () =>
  withPath(async (path, folder) => {
    const dead = await open(path);
    await dead.append([ofSource("one")], never);
    const held = await Deno.open(path, { read: true });
    await held.lock(true);
    const appending = dead.append([ofSource("two")], never);
    await Deno.writeTextFile(`${folder}/new`, "");
    await Deno.rename(`${folder}/new`, path);
    held.close();
    await appending;
    assert.deepEqual((await entries(path)).map(({ text }) => text), ["two"]);
  }));
