import { deepEqual, equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { realTest } from "../../../tests/support/real_data.ts";
import { idOfDictionary, readDictionary } from "./dictionary.ts";
import { V1_DICTIONARY_ID, V2_DICTIONARY_ID } from "./ids.ts";
import { PROBE } from "./node_zlib.ts";

Deno.test("the id of a dictionary, and of what is none", () => {
  equal(idOfDictionary(PROBE.dictionary), 1);
  equal(idOfDictionary(Buffer.from("37a430ecffffffff", "hex")), 0xffffffff);
  equal(idOfDictionary(Buffer.from("37a430ecffffff", "hex")), undefined);
  equal(idOfDictionary(Buffer.from("not a dictionary")), undefined);
  equal(idOfDictionary(new Uint8Array()), undefined);
});

Deno.test("a dictionary's tables end where its content begins", () => {
  const { id, content, repeated } = readDictionary(PROBE.dictionary);
  equal(id, 1);
  equal(Buffer.from(content.subarray(0, 18)).toString(), ' "plum", "size": 2');
  deepEqual([...repeated], [1, 4, 8]);
});

Deno.test("what is no dictionary, or is damaged, is the user's to change", () => {
  throws(() => readDictionary(Buffer.from("not a dictionary")), { name: "ConfigError", message: /37 A4 30 EC/ });
  for (let length = 8; length < 120; length++) {
    const cut = PROBE.dictionary.subarray(0, length);
    throws(() => readDictionary(cut), { name: "ConfigError", message: /Cannot use zstd dictionary 1: it is damaged/ });
  }
  const far = Buffer.from(PROBE.dictionary);
  far.writeUInt32LE(1_000_000, 106);
  throws(() => readDictionary(far), { name: "ConfigError", message: /damaged/ });
});

realTest(
  "A6: the ids of the real dictionaries",
  ["legacy_subscribe.zdict", "subscribe_events_20260811.zdict"],
  ([v1, v2]) => {
    equal(readDictionary(Deno.readFileSync(v1!)).id, V1_DICTIONARY_ID);
    equal(readDictionary(Deno.readFileSync(v2!)).id, V2_DICTIONARY_ID);
  },
);
