import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { captureLog } from "../../../tests/support/log_records.ts";
import { realTest } from "../../../tests/support/real_data.ts";
import { tempFolder } from "../../../tests/support/temp.ts";
import { withId } from "../../../tests/support/zstd_frames.ts";
import { V1_DICTIONARY_ID } from "../../net/zstd/ids.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../../simulate/dictionary.ts";
import { Dictionaries, type DictionariesOptions } from "./dictionaries.ts";
import { keepCached, newestCached, readCached } from "./dictionary_cache.ts";
import { endpointOf } from "./url.ts";

const signal = new AbortController().signal;
const search = { signal, otherwise: "Going without" };
const endpoint = endpointOf("wss://me:secret@h.example/jet/subscribe");
const ASKED = "https://me:secret@h.example/jet/xrpc/network.bsky.jetstream.getZstdDictionary";

/** The same dictionary by another id. */
const renamed = (id: number) => withId(simulateDictionary(), id, 4);

/** Answers requests, and remembers them. */
function fetcher(answer: () => Response | Promise<Response>) {
  const requests: { url: string; redirect: string | undefined }[] = [];
  const fetch: typeof globalThis.fetch = (input, init) => {
    requests.push({ url: String(input), redirect: init?.redirect });
    return Promise.resolve().then(answer);
  };
  return { fetch, requests };
}

const bytesAnswer = (bytes: Uint8Array, headers: Record<string, string> = {}) => () =>
  new Response(Uint8Array.from(bytes), { headers });

function dictionaries(options: Partial<DictionariesOptions>): Dictionaries {
  return new Dictionaries({ given: undefined, folder: undefined, fetch, now: Date.now, ...options });
}

realTest("C5: the v1 dictionary is downloaded once, kept, and not asked for by the next run", [
  "legacy_subscribe.zdict",
], async ([path]) => {
  using folder = tempFolder();
  const cache = `${folder.path}/new/folder`;
  const bytes = await Deno.readFile(path!);
  const web = fetcher(bytesAnswer(bytes));
  const first = dictionaries({ folder: cache, fetch: web.fetch });
  for (let i = 0; i < 2; i++) assert.deepEqual(Buffer.from((await first.ofV1(search))!.bytes), Buffer.from(bytes));
  assert.equal(web.requests.length, 1);
  assert.match(
    web.requests[0]!.url,
    /^https:.*\/bluesky-social\/jetstream\/.*\/dictionaries\/legacy_subscribe\.zdict$/,
  );
  assert.equal(web.requests[0]!.redirect, "follow");
  const names = [...Deno.readDirSync(cache)].map(({ name }) => name);
  assert.deepEqual(names, ["zstd-1612007021.zdict"]);
  assert.equal(Deno.statSync(`${cache}/${names[0]}`).mode! & 0o777, 0o600);
  const second = dictionaries({ folder: cache, fetch: fetcher(() => assert.fail("asked again")).fetch });
  assert.equal((await second.ofV1(search))!.id, V1_DICTIONARY_ID);
});

realTest("C5: a kept v1 dictionary with another sha256 is warned of and replaced", [
  "legacy_subscribe.zdict",
], async ([path]) => {
  using folder = tempFolder();
  const bytes = await Deno.readFile(path!);
  const damaged = Buffer.from(bytes);
  damaged[bytes.length - 1]! ^= 1;
  await keepCached(folder.path, { id: V1_DICTIONARY_ID, bytes: damaged });
  await using log = await captureLog();
  const web = fetcher(bytesAnswer(bytes));
  assert.ok(await dictionaries({ folder: folder.path, fetch: web.fetch }).ofV1(search));
  assert.equal(web.requests.length, 1);
  assert.match(log.lines[0]!, /^warning: Not using .*zstd-1612007021\.zdict: .* sha256/);
  assert.deepEqual(Buffer.from(await Deno.readFile(`${folder.path}/zstd-1612007021.zdict`)), Buffer.from(bytes));
});

Deno.test("C5: what is downloaded with another sha256, or is none, is refused and not kept", async () => {
  for (const bytes of [renamed(V1_DICTIONARY_ID), simulateDictionary(), new TextEncoder().encode("<html>no</html>")]) {
    using folder = tempFolder();
    await using log = await captureLog();
    const web = fetcher(bytesAnswer(bytes));
    assert.equal(await dictionaries({ folder: folder.path, fetch: web.fetch }).ofV1(search), undefined);
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0]!, /^warning: Cannot fetch a zstd dictionary from https:.*\. Going without$/);
  }
});

Deno.test("C5: a server's dictionary is kept by its id; redirects of servers are not followed", async () => {
  using folder = tempFolder();
  const bytes = renamed(7);
  const web = fetcher(bytesAnswer(bytes, { "X-Zstd-Dictionary-Id": "7" }));
  await using log = await captureLog();
  const some = dictionaries({ folder: folder.path, fetch: web.fetch });
  assert.equal((await some.current(endpoint, search))!.id, 7);
  assert.equal((await some.byId(7, endpoint, search))!.id, 7);
  assert.deepEqual(web.requests, [{ url: ASKED, redirect: "error" }]);
  assert.ok(!log.lines.some((line) => line.includes("secret")), log.lines.join("\n"));
  const later = dictionaries({ folder: folder.path, fetch: fetcher(() => assert.fail("asked again")).fetch });
  assert.deepEqual(Buffer.from((await later.newest())!.bytes), Buffer.from(bytes));
  assert.equal((await later.byId(7, endpoint, search))!.id, 7);
});

Deno.test("C5: an answer that is not the dictionary that it should be is refused", async () => {
  const truncated = simulateDictionary().subarray(0, 60);
  const cases: [RegExp, number | undefined, () => Response][] = [
    [/HTTP 404/, undefined, () => new Response("{}", { status: 404 })],
    [/it is no zstd dictionary/, undefined, () => new Response("<html>")],
    [/it is no zstd dictionary/, undefined, () => new Response(null)],
    [/it has the id 7, and the server calls it 8/, undefined, bytesAnswer(renamed(7), { "x-zstd-dictionary-id": "8" })],
    [/it has the id 7, not 9/, 9, bytesAnswer(renamed(7))],
    [/sha256/, undefined, bytesAnswer(renamed(V1_DICTIONARY_ID))],
    [/damaged/, undefined, bytesAnswer(truncated)],
    [/more than 8388608 bytes/, undefined, () => new Response(new Uint8Array(8 * 1024 * 1024 + 1))],
    [/Connection refused/, undefined, () => {
      throw new TypeError("Connection refused");
    }],
  ];
  for (const [why, id, answer] of cases) {
    await using log = await captureLog();
    const web = fetcher(answer);
    const some = dictionaries({ fetch: web.fetch });
    const found = id === undefined ? await some.current(endpoint, search) : await some.byId(id, endpoint, search);
    assert.equal(found, undefined, String(why));
    assert.equal(web.requests[0]!.url, id === undefined ? ASKED : `${ASKED}?id=${id}`);
    assert.match(log.lines[0]!, why);
    assert.equal(log.lines.length, 1);
  }
});

Deno.test("C5: who had none is asked again after ten minutes, not before", async () => {
  let ms = 1000;
  const web = fetcher(() => new Response("", { status: 503 }));
  const some = dictionaries({ fetch: web.fetch, now: () => ms });
  for (const [wait, requests] of [[0, 1], [1000, 1], [598_000, 1], [1000, 2], [1000, 2]] as const) {
    ms += wait;
    assert.equal(await some.current(endpoint, search), undefined);
    assert.equal(web.requests.length, requests, `${ms} ms`);
  }
});

Deno.test("C5: a search that is stopped is no failure", async () => {
  const stop = new AbortController();
  await using log = await captureLog();
  const hanging: typeof fetch = (_, init) =>
    new Promise((_, reject) => init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason)));
  const waiting = dictionaries({ fetch: hanging }).current(endpoint, { ...search, signal: stop.signal });
  stop.abort();
  assert.equal(await waiting, undefined);
  assert.deepEqual(log.lines, []);
});

Deno.test("C5: the user's own dictionary is never looked for", async () => {
  const given = { id: SIMULATE_DICTIONARY_ID, bytes: simulateDictionary() };
  const some = dictionaries({ given, fetch: fetcher(() => assert.fail("asked")).fetch });
  assert.equal(await some.byId(SIMULATE_DICTIONARY_ID, endpoint, search), given);
});

Deno.test("C5: the cache folder: the newest counts, wrong files are warned of, none is no fault", async () => {
  using folder = tempFolder();
  assert.equal(await newestCached(`${folder.path}/none`), undefined);
  assert.equal(await readCached(`${folder.path}/none`, 7), undefined);
  for (const [id, at] of [[7, 3000], [8, 9000], [9, 5000]] as const) {
    await keepCached(folder.path, { id, bytes: renamed(id) });
    Deno.utimeSync(`${folder.path}/zstd-${id}.zdict`, at, at);
  }
  Deno.writeTextFileSync(`${folder.path}/zstd-1612007021.zdict`, "of the other wire");
  Deno.writeTextFileSync(`${folder.path}/notes.txt`, "mine");
  assert.equal((await newestCached(folder.path))!.id, 8);
  await using log = await captureLog();
  Deno.copyFileSync(`${folder.path}/zstd-7.zdict`, `${folder.path}/zstd-8.zdict`);
  assert.equal(await readCached(folder.path, 8), undefined);
  assert.match(log.lines[0]!, /^warning: Not using .*zstd-8\.zdict: it has the id 7, not 8$/);
  await keepCached(`${folder.path}/notes.txt`, { id: 7, bytes: renamed(7) });
  assert.match(log.lines[1]!, /^warning: Cannot keep the zstd dictionary 7 as /);
});
