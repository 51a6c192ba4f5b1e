import { deepEqual, equal, ok } from "node:assert/strict";
import { PoisonError } from "../pipeline/errors.ts";
import { MAX_RECORD_BYTES, recordJson, splitPath } from "./record.ts";
import { cidOf, encode, Raw } from "./test_frames.ts";

Deno.test("F18: a record keeps its fields and their order, links and bytes in JSON form", () => {
  const cid = cidOf(encode(1));
  const record = {
    z: [cid],
    $type: "a.b.c",
    data: Uint8Array.of(1, 2, 255),
    cid: "bafy",
    mimeType: "image/png",
    no: null,
  };
  const json = recordJson(encode(record));
  deepEqual(json, { ...record, z: [{ $link: cid.toString() }], data: { $bytes: "AQL/" } });
  deepEqual(Object.keys(json), Object.keys(record));
});

Deno.test("F19, F20, F21: a record with a value that is refused is refused, with the reason", () => {
  const cases: [string | undefined, string][] = [
    ["cbor-range", "1b0020000000000000"],
    ["cbor-utf8", "63eda080"],
    ["cbor-float", "fb7ff8000000000000"],
    ["cbor-duplicate", "a2616101616102"],
    ["cbor-key", "a10001"],
    ["cbor-indefinite", "9f00ff"],
    ["cbor-minimal", "1817"],
    ["cbor-tag", "d82b4100"],
    ["cbor-depth", "81".repeat(20_000) + "00"],
  ];
  const refusal = (block: Uint8Array): PoisonError | undefined => {
    try {
      recordJson(block);
      return undefined;
    } catch (error) {
      ok(error instanceof PoisonError, String(error));
      return error;
    }
  };
  for (const [cbor, hex] of cases) {
    const error = refusal(encode({ x: new Raw(hex) }));
    deepEqual([error?.reason, error?.detail], ["op-record", { cbor }]);
    ok(error?.message.startsWith("Cannot read record: "));
  }
  for (
    const none of [encode([1]), encode("text"), encode(Uint8Array.of(1)), encode(cidOf(encode(1))), new Uint8Array()]
  ) {
    equal(refusal(none)?.reason, "op-record");
  }
  equal(recordJson(encode({ x: 1.5, y: Number.MAX_SAFE_INTEGER }))["x"], 1.5);
});

Deno.test("a record of a million bytes is read, a larger one refused", () => {
  const bytes = (length: number) => encode({ x: "x".repeat(length - 8) });
  equal(bytes(MAX_RECORD_BYTES).length, MAX_RECORD_BYTES);
  equal((recordJson(bytes(MAX_RECORD_BYTES))["x"] as string).length, MAX_RECORD_BYTES - 8);
  try {
    recordJson(bytes(MAX_RECORD_BYTES + 1));
    ok(false, "it was read");
  } catch (error) {
    equal((error as PoisonError).reason, "op-size");
  }
});

Deno.test("F22: paths of records, and what is none", () => {
  const good = [
    "app.bsky.feed.post/3mptbyplj5d2a",
    "app.bsky.actor.profile/self",
    "a.b.c/-._:~",
    `a.b.c/${"x".repeat(512)}`,
  ];
  for (const path of good) {
    const { collection, rkey } = splitPath(path)!;
    equal(`${collection}/${rkey}`, path);
  }
  const bad = ["", "/", "app.bsky.feed.post", "a/b/c", "a.b.c/d/e", "nodots/x", "a.b.c/", "/x", "a.b.c/.", "a.b.c/.."];
  for (const path of [...bad, "a.b.c/x y", "a.b.c/x\n", "a.b.c/é", `a.b.c/${"x".repeat(513)}`, "a..c/x", "a.b.c/x#y"]) {
    equal(splitPath(path), undefined, path);
  }
});
