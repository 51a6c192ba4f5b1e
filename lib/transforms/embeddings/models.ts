/**
 * Models whose vectors can be kept: where a row's inferences have them, and what a document calls them.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";

/** Members of a row's inferences that hold vectors by their model. */
export type VectorHolder = "text_embeddings" | "full_text_embeddings";

/** A model of embeddings. */
export interface Model {
  /** Its name among the inferences: `google/embeddinggemma-300m`. */
  readonly key: string;
  /** How many numbers its vectors have. */
  readonly dims: number;
  /** The field in `embeddings` of a document. */
  readonly field: string;
  /** Where its vectors are, the first one that has some counts. */
  readonly holders: readonly VectorHolder[];
}

/** The models that files are known to have. */
const KNOWN: readonly Model[] = [
  { key: "all-MiniLM-L12-v2", dims: 384, field: "all_MiniLM_L12_v2", holders: ["text_embeddings"] },
  { key: "all-MiniLM-L6-v2", dims: 384, field: "all_MiniLM_L6_v2", holders: ["text_embeddings"] },
  { key: "all-mpnet-base-v2", dims: 768, field: "all_mpnet_base_v2", holders: ["text_embeddings"] },
  { key: "google/embeddinggemma-300m", dims: 768, field: "embeddinggemma_300m", holders: ["full_text_embeddings"] },
];

/** What layout `classic` keeps unless the user says otherwise. */
export const CLASSIC_EMBEDDINGS: readonly string[] = ["all-MiniLM-L12-v2", "all-MiniLM-L6-v2"];

/** The most dimensions that Elasticsearch takes. */
const MAX_DIMS = 4096;

/**
 * The models that a user names.
 *
 * @param names Keys of known models, `KEY:DIMS` for others; `all`: the known ones; `none` alone: none.
 * @throws {ConfigError} For a name that cannot be, and for two models with the same field.
 */
export function modelsOf(names: readonly string[]): readonly Model[] {
  if (names.includes("none")) {
    if (names.length > 1) throw new ConfigError('Cannot use --embeddings: "none" stands alone');
    return [];
  }
  const models = new Map<string, Model>();
  for (const model of names.flatMap((name) => name === "all" ? KNOWN : [modelOf(name)])) {
    const other = models.get(model.field);
    if (other !== undefined && (other.key !== model.key || other.dims !== model.dims)) {
      throw new ConfigError(
        `Cannot use --embeddings: ${other.key}:${other.dims} and ${model.key}:${model.dims} would both be field ` +
          `embeddings.${model.field}`,
      );
    }
    models.set(model.field, model);
  }
  return [...models.values()];
}

function modelOf(name: string): Model {
  const known = KNOWN.find(({ key, dims }) => name === key || name === `${key}:${dims}`);
  if (known !== undefined) return known;
  const [, key, digits] = /^(.+):(\d{1,9})$/.exec(name) ?? [];
  const dims = Number(digits), field = fieldOf(key ?? "");
  const { dims: otherDims } = KNOWN.find((model) => model.key === key) ?? {};
  const fault = key === undefined
    ? `it must be all, none, one of ${KNOWN.map((model) => model.key).join(", ")}, or KEY:DIMS of another model`
    : otherDims !== undefined
    ? `its vectors have ${otherDims} dims`
    : dims < 1 || dims > MAX_DIMS
    ? `the dims must be from 1 to ${MAX_DIMS}`
    : field === ""
    ? "nothing is left for the name of its field"
    : undefined;
  if (fault !== undefined) throw new ConfigError(`Cannot use --embeddings "${name}": ${fault}`);
  return { key: key!, dims, field, holders: ["text_embeddings", "full_text_embeddings"] };
}

function fieldOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1).replaceAll(/[^A-Za-z0-9_]/g, "_");
}

/** Dimensions by field, as a mapping needs them. */
export function dimsByField(models: readonly Model[]): Readonly<Record<string, number>> {
  return Object.fromEntries(models.map(({ field, dims }) => [field, dims]));
}
