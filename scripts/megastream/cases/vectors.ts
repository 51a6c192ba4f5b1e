/**
 * Inferences: vectors and everything that can be wrong with them, transcripts.
 *
 * @module
 */
import { base85, encodeVector, floatBytes } from "../codec.ts";
import { zlib } from "../deflate.ts";
import { post, type PostSpec } from "../post.ts";
import { type FileRows, fileRows, type Notes } from "../row.ts";

const L12 = "all-MiniLM-L12-v2",
  L6 = "all-MiniLM-L6-v2",
  MPNET = "all-mpnet-base-v2",
  GEMMA = "google/embeddinggemma-300m";
/** Their fields in `embeddings`. */
const FIELD = {
  [L12]: "all_MiniLM_L12_v2",
  [L6]: "all_MiniLM_L6_v2",
  [MPNET]: "all_mpnet_base_v2",
  [GEMMA]: "embeddinggemma_300m",
} as const;
type Model = keyof typeof FIELD;

/** The rows of the file. */
export function vectorRows(start: string, rng: number): FileRows {
  const file = fileRows(start, { rng });
  modelCases(file);
  faultCases(file);
  columnCases(file);
  videoCases(file);
  return file;
}

/**
 * A vector, mostly zeros so that it stays small as text. Its values are decimals of at most six digits, which are the shortest
 * ones for their float32.
 */
export function vector(file: FileRows, n: number, dims: number, exactInFloat16 = true): number[] {
  return Array.from({ length: dims }, (_, i) => {
    const chance = file.chance(n * 1024 + i);
    if (chance % 8 > 0) return 0;
    const whole = (chance >>> 8) % 33 - 16;
    return exactInFloat16 ? whole / 64 : whole * 9973 / 1e6;
  });
}

/** The column's text for vectors by model. */
export function inferencesOf(vectors: Partial<Record<Model, readonly number[]>>, rest: object = {}): string {
  return textOf(Object.fromEntries(Object.entries(vectors).map(([key, values]) => [key, encodeVector(values)])), rest);
}

/** The same for texts that are said to be vectors. */
function textOf(vectors: Record<string, unknown>, rest: object = {}): string {
  const { [GEMMA]: gemma, ...others } = vectors;
  return JSON.stringify({
    text: { "topics.all": { sea: 0.75, weather: 0.125 }, "sentiment.v1": { positive: 0.5 } },
    images: [],
    text_embeddings: others,
    ...(gemma !== undefined && { full_text_embeddings: { [GEMMA]: gemma } }),
    success: true,
    ...rest,
  });
}

/** The document's member for the vectors that are used. */
export function embeddingsOf(vectors: Partial<Record<Model, readonly number[]>>) {
  const fields = Object.entries(vectors).map(([key, values]) => [FIELD[key as Model], values]);
  return fields.length > 0 ? { embeddings: Object.fromEntries(fields) } : {};
}

function modelCases(file: FileRows): void {
  const l12 = vector(file, 1, 384), l6 = vector(file, 2, 384);
  const add = (shows: string, vectors: Partial<Record<Model, readonly number[]>>) =>
    post(file, { shows, inferences: inferencesOf(vectors), fields: embeddingsOf(vectors) });
  add("Vectors of both small models", { [L12]: l12, [L6]: l6 });
  add("A vector of one model", { [L12]: vector(file, 3, 384) });
  add("A vector of the other model", { [L6]: vector(file, 4, 384) });
  add("Vectors of all models", {
    [L12]: vector(file, 5, 384),
    [L6]: vector(file, 6, 384),
    [MPNET]: vector(file, 7, 768),
    [GEMMA]: vector(file, 8, 768, false),
  });
  add("A vector of a model that is not asked for by default", { [GEMMA]: vector(file, 9, 768, false) });
  add("Inferences without any vector", {});
}

/** Texts that are no vector of 384, and why. */
function faults(file: FileRows): readonly (readonly [shows: string, text: unknown, reason: string])[] {
  const good = encodeVector(vector(file, 20, 384));
  const packed = zlib(floatBytes(vector(file, 21, 384)));
  const wrongSum = packed.slice();
  wrongSum[wrongSum.length - 1]! ^= 1;
  const with0 = (value: number) => encodeVector([value, ...vector(file, 22, 383)]);
  return [
    ["A group above 2^32 - 1", "~~~~~", "base85"],
    ["A character that is none of the 85", `${good.slice(0, 40)} ${good.slice(41)}`, "base85"],
    ["A line feed at the end", `${good}\n`, "base85"],
    ["A single character left over", "V", "base85"],
    ["An empty text", "", "zlib"],
    ["A byte that is no zlib", "VE", "zlib"],
    ["A vector whose end is missing", good.slice(0, Math.floor(good.length / 10) * 5), "zlib"],
    ["A vector with a wrong checksum", base85(wrongSum), "zlib"],
    ["A vector with bytes after its end", base85(Uint8Array.from([...packed, 0])), "zlib"],
    ["A megabyte of zeros", base85(zlib(new Uint8Array(1 << 20))), "zlib"],
    ["Seven bytes", base85(zlib(new Uint8Array(7))), "length"],
    ["Four values", encodeVector([0.5, 0.5, 0.5, 0.5]), "dims"],
    ["385 values", encodeVector(vector(file, 23, 385)), "dims"],
    ["A value that is not a number", with0(NaN), "not_finite"],
    ["A value that is infinite", with0(-Infinity), "not_finite"],
    ["Zeros", encodeVector(Array.from({ length: 384 }, () => 0)), "zero"],
    ["A number", 5, "type"],
    ["A list of numbers", [0.5, 0.5], "type"],
  ];
}

function faultCases(file: FileRows): void {
  const l6 = vector(file, 30, 384);
  for (const [shows, text, reason] of faults(file)) {
    post(file, {
      shows: `${shows} for a vector`,
      inferences: textOf({ [L12]: text, [L6]: encodeVector(l6) }),
      fields: embeddingsOf({ [L6]: l6 }),
      notes: { vectors_dropped: { [L12]: reason } },
    });
  }
  post(file, {
    shows: "No vector that can be used",
    inferences: textOf({ [L12]: "V", [L6]: 7 }),
    notes: { vectors_dropped: { [L12]: "base85", [L6]: "type" } },
  });
}

/** What the column may hold, and what `raw_post` repeats of it. */
function columnCases(file: FileRows): void {
  const l12 = vector(file, 40, 384), other = vector(file, 41, 384);
  const nested = (text: string): NonNullable<PostSpec["columns"]> => ({ raw_post }) => {
    const raw = JSON.parse(String(raw_post));
    return { raw_post: JSON.stringify({ ...raw, inferences: JSON.parse(text) }) };
  };
  const bad: Notes = { bad_inferences: true };
  post(file, { shows: "No inferences" });
  post(file, {
    shows: "Inferences in raw_post alone",
    columns: nested(inferencesOf({ [L12]: l12 })),
    fields: embeddingsOf({ [L12]: l12 }),
  });
  post(file, {
    shows: "Inferences in raw_post repeat the column's",
    inferences: inferencesOf({ [L12]: l12 }),
    columns: nested(inferencesOf({ [L12]: l12 })),
    fields: embeddingsOf({ [L12]: l12 }),
  });
  post(file, {
    shows: "Inferences in raw_post that are not the column's",
    inferences: inferencesOf({ [L12]: l12 }),
    columns: nested(inferencesOf({ [L12]: other, [L6]: other })),
    fields: embeddingsOf({ [L12]: l12 }),
  });
  post(file, { shows: "Empty inferences", inferences: "{}" });
  post(file, { shows: "Inferences that are no JSON", inferences: '{"text":', notes: bad });
  post(file, { shows: "Inferences that are a list", inferences: "[]", notes: bad });
  post(file, { shows: "Inferences that are a text", inferences: '"later"', notes: bad });
  post(file, { shows: "Embeddings that are no object", inferences: '{"text_embeddings":["a"],"success":true}' });
}

function videoCases(file: FileRows): void {
  const add = (shows: string, video: unknown, fields: Record<string, unknown> = {}) =>
    post(file, { shows, inferences: textOf({}, { video }), fields });
  const transcription = { text: "Good evening.", language: "en", task: "transcribe" };
  add("A video that speaks", { audio_transcription: transcription }, {
    video_transcript: "Good evening.",
    video_transcript_language: "en",
  });
  add("A video that says nothing", { audio_transcription: { ...transcription, text: "" } }, {
    video_transcript_language: "en",
  });
  add("A video that says nothing in no language", { audio_transcription: { text: "", language: "" } });
  add("Inferences whose video is empty", {});
  add("Inferences whose video is a list", []);
}
