/**
 * Our decoder against the library's, on frames of every kind that the library makes, whole and spoiled. They have no
 * checksum, so that what is spoiled is not refused for that alone. `BSKYINGEST_SEED=n` repeats a run.
 *
 * @module
 */
import { equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomFrom, startNumber } from "../../../tests/support/random.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import { openDecompressor } from "./decompressor.ts";
import { readFrameHeader } from "./header.ts";
import { loadLibrary } from "./library.ts";
import { PROBE } from "./node_zlib.ts";

const CONTENTS = 150;
const SPOILED_EACH = 12;
const LARGEST = 1 << 21;
const NONE = new Uint8Array();

type Random = (below: number) => number;

function randomOf(seed: number): Random {
  const random = randomFrom(seed);
  return (below) => Math.floor(random() * below);
}

/** One piece of content: a run, noise, letters of few kinds, or text that the dictionary knows. */
function piece(random: Random): Buffer {
  const kind = random(4);
  const length = random(random(10) === 0 ? 150_000 : 1500);
  if (kind === 0) return Buffer.alloc(length, random(256));
  if (kind === 1) return Buffer.from(Array.from({ length }, () => random(256)));
  if (kind === 2) return Buffer.from(Array.from({ length }, () => 97 + random(1 + random(20))));
  return Buffer.from(`{"kind": "plum", "size": ${random(1000)}, "colour": "green", "n": ${random(1000)}}`.repeat(3));
}

/** From nothing up to several blocks. */
function contentOf(random: Random): Buffer {
  const pieces = Array.from({ length: random(random(5) === 0 ? 150 : 6) }, () => piece(random));
  return Buffer.concat(pieces).subarray(0, LARGEST);
}

/** Some bytes behind the header are others. */
function spoil(frame: Uint8Array, random: Random): Buffer {
  const spoiled = Buffer.from(frame);
  const { length } = readFrameHeader(frame);
  for (let i = 1 + random(3); i > 0; i--) {
    const within = random(2) === 0 ? Math.min(40, frame.length - length) : frame.length - length;
    spoiled[length + random(within)]! ^= 1 << random(8);
  }
  return spoiled;
}

/** What the function gives; `undefined` where it refuses the frame by an error of this class. */
function outcome(decode: () => Uint8Array, refusal: new (...args: never[]) => Error): Buffer | undefined {
  try {
    return Buffer.from(decode());
  } catch (error) {
    if (!(error instanceof refusal)) throw error;
    return undefined;
  }
}

Deno.test("whatever the library makes is decoded, and spoiled frames never otherwise than by the library", async () => {
  const library = await loadLibrary();
  const compressing = library.createCCtx(), decompressing = library.createDCtx();
  using decompressor = await openDecompressor({ dictionaries: [PROBE.dictionary], maxBytes: LARGEST });
  const random = randomOf(startNumber("zstd differential"));
  let accepted = 0, refused = 0;
  for (let i = 0; i < CONTENTS; i++) {
    const content = contentOf(random);
    const dictionary = random(3) === 0 ? NONE : PROBE.dictionary;
    const level = [-7, 1, 3, 6, 13, 19][random(content.length > 50_000 ? 4 : 6)]!;
    const frame = library.compressUsingDict(compressing, content, dictionary, level);
    ok(decompressor.decompress(frame).equals(content), `content ${i}, level ${level}`);
    for (let j = 0; j < SPOILED_EACH; j++) {
      const spoiled = spoil(frame, random);
      const ours = outcome(() => decompressor.decompress(spoiled), PoisonError);
      if (ours === undefined) refused++;
      else {
        accepted++;
        const theirs = outcome(() => library.decompressUsingDict(decompressing, spoiled, dictionary), Error);
        ok(theirs?.equals(ours), `content ${i}, level ${level}, spoiled ${j}`);
      }
    }
  }
  library.freeCCtx(compressing);
  library.freeDCtx(decompressing);
  equal(accepted + refused, CONTENTS * SPOILED_EACH);
  ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
