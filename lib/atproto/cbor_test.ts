import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { encode as encodeByLibrary, fromBytes, fromCidLink, toBytes, toCidLink } from "@atcute/cbor";
import fc from "fast-check";
import { startNumber } from "../../tests/support/random.ts";
import { PoisonError } from "../pipeline/errors.ts";
import { decodeCbor, decodeFirst, decodeJson, MAX_DEPTH } from "./cbor.ts";
import type { Cid } from "./cid.ts";
import { cidOf, encode, fromHex, Raw } from "./test_frames.ts";

/** The code of the refusal. */
function refusal(hex: string | Uint8Array): string {
  const bytes = typeof hex === "string" ? fromHex(hex) : hex;
  try {
    decodeCbor(bytes);
  } catch (error) {
    ok(error instanceof PoisonError, String(error));
    return error.reason;
  }
  return "none";
}

/** The item alone, in a list and as a value of a map: each is refused for the same reason. */
function refusedAs(reason: string, hex: string): void {
  deepEqual([hex, `81${hex}`, `a16161${hex}`].map(refusal), Array(3).fill(`cbor-${reason}`), hex);
}

const integer = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -300, max: 300 }));
const bytes = fc.uint8Array().map((each) => toBytes(each));
const link = fc.uint8Array().map((each) => toCidLink({ bytes: cidOf(each).bytes } as Parameters<typeof toCidLink>[0]));
const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.constantFrom("\ufffd", "\ufeffx", "$type"));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    integer,
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
    fc.constantFrom(null, true, false),
    bytes,
    link,
    fc.array(tie("value")),
    fc.dictionary(text, tie("value"), { noNullPrototype: true }),
  ),
}));

Deno.test("what the library encodes is decoded, in JSON form and in binary", () => {
  const seed = startNumber("cbor") | 0;
  fc.assert(
    fc.property(value, (sample) => {
      const encoded = encodeByLibrary(sample);
      // Its wrappers print themselves in JSON form.
      deepEqual(decodeJson(encoded), JSON.parse(JSON.stringify(sample)));
      decodeCbor(encoded);
    }),
    { seed, numRuns: 500 },
  );
  const [a, b] = [toBytes(fromHex("0102ff")), toCidLink({ bytes: cidOf(fromHex("00")).bytes } as never)];
  const binary = decodeCbor(encodeByLibrary({ a, b })) as { a: Uint8Array; b: Cid };
  deepEqual(Uint8Array.from(binary.a), Uint8Array.from(fromBytes(a)));
  equal(binary.b.toString(), cidOf(fromHex("00")).toString());
  deepEqual(Uint8Array.from(binary.b.bytes), Uint8Array.from(fromCidLink(b).bytes));
});

Deno.test("F18: links and bytes become $link and $bytes", () => {
  const link = fromHex("d82a582500 0171122065062a5a5a00fc16d73c6944237ccbc15b1c4a7234489336891d091741a239d0");
  deepEqual(decodeJson(link), { $link: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a" });
  const bytes = Uint8Array.fromBase64("nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0=");
  deepEqual(decodeJson(encode(bytes)), { $bytes: "nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0" });
  deepEqual(decodeJson(encode([new Uint8Array()])), [{ $bytes: "" }]);
});

Deno.test("F19: integers up to 2^53 - 1 are exact, those beyond are refused", () => {
  for (const number of [0, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 9007199254740991]) {
    equal(decodeCbor(encode(number)), number);
    equal(decodeCbor(encode(-number || 0)), -number || 0);
  }
  refusedAs("range", "1b0020000000000000"); // 2^53
  refusedAs("range", "1bffffffffffffffff");
  refusedAs("range", "3b001fffffffffffff"); // -2^53
  refusedAs("range", "3bffffffffffffffff");
});

Deno.test("F19: finite floats of every width, the others are refused", () => {
  deepEqual(["f93e00", "fa3fc00000", "fb3ff8000000000000"].map((hex) => decodeCbor(fromHex(hex))), [1.5, 1.5, 1.5]);
  equal(decodeCbor(fromHex("fb7fefffffffffffff")), Number.MAX_VALUE);
  for (const hex of ["f97e00", "fa7fc00000", "fb7ff8000000000000"]) refusedAs("float", hex); // NaN
  for (const hex of ["f97c00", "f9fc00", "fa7f800000", "fb7ff0000000000000", "fbfff0000000000000"]) {
    refusedAs("float", hex);
  }
});

Deno.test("F20: a text that is not UTF-8 is refused, never mended; one that has U+FFFD or a byte order mark is kept", () => {
  for (const hex of ["63eda080", "61ff", "62c080", "61e9"]) refusedAs("utf8", hex);
  equal(decodeCbor(encode("\ufffd")), "\ufffd");
  equal(decodeCbor(encode("\ufeffa\0")), "\ufeffa\0");
});

Deno.test("a key that is not UTF-8 is refused, also where it looks like one that was read before", () => {
  deepEqual(decodeCbor(encode({ "é": 1, "éé": 2 })), { "é": 1, "éé": 2 });
  for (let slot = 0; slot < 3; slot++) {
    equal(refusal("a1 61e9 01"), "cbor-utf8");
    equal(refusal("a1 62e9e9 01"), "cbor-utf8");
  }
});

Deno.test("F20: 1,000 levels are read, more are refused, however many they are", () => {
  const nest = (unit: string, levels: number) => fromHex(unit.repeat(levels) + "00");
  for (const unit of ["81", "a16161"]) {
    let inner = decodeCbor(nest(unit, MAX_DEPTH));
    for (let level = 0; level < MAX_DEPTH; level++) inner = Object.values(inner as object)[0];
    equal(inner, 0);
    for (const levels of [MAX_DEPTH + 1, 20_000, 1_000_000]) equal(refusal(nest(unit, levels)), "cbor-depth");
  }
  // Many beside each other are not nested.
  equal((decodeCbor(encode(Array(5000).fill([]))) as unknown[]).length, 5000);
});

Deno.test("F21: what the format forbids is refused", () => {
  const refused: Record<string, readonly string[]> = {
    indefinite: ["5f4100ff", "7f6161ff", "9f00ff", "bf616100ff", "1c", "5d", "ff"],
    minimal: ["1800", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800", "580100", "780161", "980100"],
    key: ["a10001", "a1410001", "a1f601"],
    duplicate: ["a2616101616102", "a3616201616102616203", "a360006161016000"],
    tag: ["d82b4100", "c100", "d9d9f700"],
    link: ["d82a00", "d82a40", "d82a6100", "d82a4101", "d82a450001711220", "d82a582300" + "1220" + "00".repeat(32)],
    simple: ["e0", "f3", "f800", "f820", "fc"],
  };
  for (const [reason, all] of Object.entries(refused)) for (const hex of all) refusedAs(reason, hex);
});

Deno.test("what ends too early is refused, at whatever length it claims", () => {
  const claims = ["5a7fffffff", "7a7fffffff", "9a7fffffff", "ba7fffffff", "5b001fffffffffffff", "9b001fffffffffffff"];
  for (const hex of ["18", "19ff", "1b00", "fb00", "62 61", "82 00", "a1 6161", "d82a", ...claims]) {
    refusedAs("truncated", hex);
  }
  equal(refusal(""), "cbor-truncated");
  const whole = encode({ a: [1, "text", new Uint8Array(30), cidOf(fromHex("00"))], b: { c: -70000, d: 1.5 } });
  for (let end = 0; end < whole.length; end++) equal(refusal(whole.subarray(0, end)), "cbor-truncated");
});

Deno.test("keys in any order are accepted, undefined is null, and nothing may follow", () => {
  deepEqual(Object.entries(decodeCbor(fromHex("a3 6162 01 6161 02 626161 f7")) as object), [["b", 1], ["a", 2], [
    "aa",
    null,
  ]]);
  equal(refusal("0000"), "cbor-trailing");
  deepEqual(decodeFirst(fromHex("01 02"), 1), { value: 2, end: 2 });
});

Deno.test("a key __proto__ is a key like any other", () => {
  const map = decodeJson(encode(new Raw("a1 69" + "5f5f70726f746f5f5f" + "a1 6161 01"))) as Record<string, unknown>;
  equal(Object.getPrototypeOf(map), Object.prototype);
  equal(JSON.stringify(map), '{"__proto__":{"a":1}}');
  equal(refusal("a2 69 5f5f70726f746f5f5f a0 69 5f5f70726f746f5f5f a0"), "cbor-duplicate");
});

Deno.test("nothing but a PoisonError is thrown for any bytes", () => {
  const seed = startNumber("cbor bytes") | 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        JSON.stringify(decodeJson(bytes));
      } catch (error) {
        ok(error instanceof PoisonError);
      }
    }),
    { seed, numRuns: 5000 },
  );
  throws(() => decodeCbor(fromHex("ff")), /^PoisonError: Cannot decode CBOR: a break stands alone$/);
});
