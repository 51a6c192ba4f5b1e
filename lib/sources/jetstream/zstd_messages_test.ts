import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { bombFrame, storedFrame } from "../../../tests/support/zstd_frames.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { SIMULATE_DICTIONARY_ID, simulateDictionary } from "../../simulate/dictionary.ts";
import { ZstdMessages } from "./zstd_messages.ts";

const dictionary = { id: SIMULATE_DICTIONARY_ID, bytes: simulateDictionary() };
const TEXT = '{"did":"did:plc:a","time_us":1,"kind":"account"}';

const frame = storedFrame(TEXT, dictionary.id);

const binary = (...data: Buffer[]) => ({ data, binary: data.map(() => true) });

function messages(at?: typeof dictionary) {
  const searched: number[] = [];
  const zstd = new ZstdMessages({
    maxBytes: 1000,
    dictionary: at,
    find(id) {
      searched.push(id);
      return Promise.resolve(id === dictionary.id ? dictionary : undefined);
    },
  });
  return { zstd, searched };
}

Deno.test("J18: nothing is loaded for plain messages, the dictionary for the first that names it, once", async () => {
  const { zstd, searched } = messages();
  using _ = zstd;
  zstd.begin();
  await zstd.prepare({ data: [frame, Buffer.from(TEXT)], binary: [false, true] });
  assert.deepEqual([zstd.ready, searched], [false, []]);
  await zstd.prepare(binary(Buffer.from("[]"), frame));
  assert.deepEqual([zstd.ready, searched], [true, [dictionary.id]]);
  assert.equal(zstd.decompress(frame).toString(), TEXT);
  zstd.begin();
  await zstd.prepare(binary(frame));
  assert.deepEqual(searched, [dictionary.id]);
  assert.equal(zstd.decompress(frame).toString(), TEXT);
});

Deno.test("J18: a dictionary that was asked for, or is at hand, is not looked for", async () => {
  for (const at of [dictionary, undefined]) {
    const { zstd, searched } = messages(at);
    using _ = zstd;
    zstd.begin(at ? undefined : dictionary);
    await zstd.prepare(binary(frame));
    assert.equal(zstd.decompress(frame).toString(), TEXT);
    assert.deepEqual(searched, []);
  }
});

Deno.test("J17: messages of foreign dictionaries start three searches of a connection, and spoil no other", async () => {
  const { zstd, searched } = messages(dictionary);
  using _ = zstd;
  zstd.begin();
  await zstd.prepare(binary(...[1, 2, 3, 4].map((id) => storedFrame(TEXT, id)), frame));
  assert.deepEqual([searched, zstd.ready], [[1, 2, 3], true]);
  for (const id of [1, 4]) {
    assert.throws(() => zstd.decompress(storedFrame(TEXT, id)), (e) => {
      return e instanceof PoisonError && e.reason === "unknown_dictionary";
    });
    assert.equal(zstd.decompress(frame).toString(), TEXT);
  }
});

Deno.test("J17: a header that is cut off starts no search", async () => {
  const { zstd, searched } = messages();
  using _ = zstd;
  const cut = frame.subarray(0, 6);
  await zstd.prepare(binary(cut));
  assert.deepEqual(searched, []);
  assert.throws(() => zstd.decompress(cut), (e) => e instanceof PoisonError && e.reason === "bad_frame");
});

Deno.test("J17: the decompressed size is bounded", async () => {
  const { zstd } = messages(dictionary);
  using _ = zstd;
  const bomb = bombFrame(1000, dictionary.id);
  await zstd.prepare(binary(bomb));
  assert.throws(() => zstd.decompress(bomb), (e) => e instanceof PoisonError && e.reason === "oversize");
});
