/**
 * What decoding one compressed message costs: our decoder against the plain call of the library that also compresses here.
 *
 * @module
 */
import { openCompressor } from "../../lib/net/zstd/compressor.ts";
import { openDecompressor } from "../../lib/net/zstd/decompressor.ts";
import { loadLibrary } from "../../lib/net/zstd/library.ts";
import { simulateDictionary } from "../../lib/simulate/dictionary.ts";
import { generatedEvents } from "../../lib/simulate/generator.ts";
import { realData } from "../../tests/support/real_data.ts";
import { framesOf } from "../../tests/support/zstd_frames.ts";
import type { Bench, Case, Setting } from "./bench.ts";
import { measure } from "./measure.ts";

const EPOCH = Date.UTC(2026, 0, 1) * 1000;
/** Frames of generated events; a sample goes over them again and again. */
const GENERATED = 2000;
const MAX_BYTES = 32 * 1024 * 1024;

/** Frames, and the dictionary that they were made with. */
interface Frames {
  readonly dictionary: Uint8Array;
  readonly frames: readonly Uint8Array[];
}

/** Decodes one frame. */
type Decode = (frame: Uint8Array) => Uint8Array;

async function generatedFrames(): Promise<Frames> {
  const dictionary = simulateDictionary();
  using compressor = await openCompressor({ dictionary });
  const store = generatedEvents({ epoch: EPOCH, count: GENERATED });
  const encoder = new TextEncoder();
  const texts = Array.from({ length: GENERATED }, (_, i) => store.read(i + 1, "v1", undefined)!);
  return { dictionary, frames: texts.map((text) => compressor.compress(encoder.encode(text))) };
}

/** The frames of a real server, where they are at hand. */
function realFrames(): (() => Promise<Frames>) | undefined {
  const dictionary = realData("legacy_subscribe.zdict"), frames = realData("v1_zstd_frames.bin");
  if (dictionary === undefined || frames === undefined) return undefined;
  return async () => ({ dictionary: await Deno.readFile(dictionary), frames: framesOf(await Deno.readFile(frames)) });
}

async function ourDecode({ dictionary }: Frames): Promise<Decode> {
  const { decompress } = await openDecompressor({ dictionaries: [dictionary], maxBytes: MAX_BYTES });
  return decompress;
}

async function libraryDecode({ dictionary }: Frames): Promise<Decode> {
  const { createDCtx, decompressUsingDict } = await loadLibrary();
  const context = createDCtx();
  return (frame) => decompressUsingDict(context, frame, dictionary);
}

/** The first round over the frames does not count, nor does what loads them. */
function caseOf(name: string, load: () => Promise<Frames>, prepare: (frames: Frames) => Promise<Decode>): Case {
  const run = async ({ events }: Setting) => {
    const loaded = await load();
    const { frames } = loaded;
    const decode = await prepare(loaded);
    for (let i = 0; i < 10_000; i++) decode(frames[i % frames.length]!);
    const sample = await measure(() => {
      for (let i = 0; i < events; i++) decode(frames[i % frames.length]!);
      return events;
    });
    return [sample];
  };
  return { name, run };
}

function casesOf(kind: string, load: () => Promise<Frames>): Case[] {
  const library = caseOf(`${kind}, library`, load, libraryDecode);
  return [library, { ...caseOf(`${kind}, our decoder`, load, ourDecode), reference: library.name }];
}

/** `deno task bench zstd` */
export const bench: Bench = {
  name: "zstd",
  brief: "Decoding of single compressed messages, by our decoder and by the library's plain call",
  events: 100_000,
  rounds: 5,
  warmUps: 1,
  timeoutMs: 60_000,
  cases: () => {
    const real = realFrames();
    return [...casesOf("generated v1", generatedFrames), ...(real ? casesOf("real v1", real) : [])];
  },
};
