/**
 * Settings and mappings of every kind's index, as options ask for them.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { type Kind, KINDS } from "../../transforms/elasticsearch/kinds.ts";
import { dimsByField, modelsOf } from "../../transforms/embeddings/models.ts";
import { type IndexBody, indexBody } from "../../transforms/elasticsearch/mappings.ts";

/** What the options say. */
export interface DefinitionOptions {
  readonly vectors: "stored" | "searchable";
  /** As {@link modelsOf} takes them; default: what every index has. */
  readonly embeddings?: readonly string[];
  /** `N` for all kinds or `KIND=N`; default: 1. */
  readonly shards?: readonly string[];
  /** The same. */
  readonly replicas?: readonly string[];
}

/** Of one index, as Elasticsearch allows. */
const MOST_SHARDS = 1024;

/** @throws {ConfigError} For a kind, number or model that cannot be. */
export function definitionsOf(
  { vectors, embeddings: names = [], shards: shardTexts = [], replicas: replicaTexts = [] }: DefinitionOptions,
): (kind: Kind) => IndexBody {
  const shards = numbersOf("--index-shards", shardTexts, 1);
  const replicas = numbersOf("--index-replicas", replicaTexts, 0);
  const embeddings = dimsByField(modelsOf(names));
  return (kind) => indexBody(kind, { vectors, embeddings, shards: shards(kind), replicas: replicas(kind) });
}

function numbersOf(flag: string, texts: readonly string[], min: number): (kind: Kind) => number {
  const numbers = new Map<string, number>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const kind = at < 0 ? "" : text.slice(0, at), number = text.slice(at + 1);
    const fault = kind !== "" && !KINDS.some((each) => each === kind)
      ? `the kind must be one of ${KINDS.join(", ")}`
      : !/^\d{1,4}$/.test(number) || Number(number) < min || Number(number) > MOST_SHARDS
      ? `the number must be from ${min} to ${MOST_SHARDS}`
      : numbers.has(kind)
      ? "it is given twice"
      : undefined;
    if (fault !== undefined) throw new ConfigError(`Cannot use ${flag} "${text}": ${fault}`);
    numbers.set(kind, Number(number));
  }
  return (kind) => numbers.get(kind) ?? numbers.get("") ?? 1;
}
