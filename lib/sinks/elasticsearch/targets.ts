/**
 * Where documents go: an alias for each kind, over an index.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { type Kind, KINDS } from "../../transforms/elasticsearch/kinds.ts";

/** Where one kind goes. */
export interface Target {
  readonly kind: Kind;
  /** What every request names. */
  readonly alias: string;
  /** Made under the alias where neither is there. */
  readonly index: string;
}

/** A target as the server has it. */
export interface ReadyTarget extends Target {
  /** The indices behind the alias, the one that is written to first; only the alias where nobody could look. */
  readonly members: readonly string[];
}

/** How names are made. */
export interface TargetOptions {
  /** Put before every name. */
  readonly prefix?: string | undefined;
  /** Names in place of the kinds': `KIND=NAME`, or a bare `NAME` where there is one kind besides tombstones. */
  readonly names?: readonly string[];
}

/** Of a name, in bytes; `_v1` must fit too. */
const MOST_BYTES = 250;

/**
 * The targets of some kinds: `<prefix><kind>` over `<prefix><kind>_v1`.
 *
 * @throws {ConfigError} For names that Elasticsearch refuses, that are of no kind, or that two kinds would share.
 */
export function targetsOf(kinds: readonly Kind[], { prefix = "", names = [] }: TargetOptions = {}): readonly Target[] {
  const chosen = chosenNames(names, kinds);
  const owners = new Map<string, Kind>();
  return kinds.map((kind) => {
    const alias = checkName(`${prefix}${chosen.get(kind) ?? kind}`);
    const owner = owners.get(alias);
    if (owner !== undefined) throw new ConfigError(`Cannot use index "${alias}" for ${kind}: ${owner} go there`);
    owners.set(alias, kind);
    return { kind, alias, index: `${alias}_v1` };
  });
}

function chosenNames(names: readonly string[], kinds: readonly Kind[]): ReadonlyMap<Kind, string> {
  const chosen = new Map<Kind, string>();
  for (const text of names) {
    const at = text.indexOf("=");
    const kind = at < 0 ? onlyKind(text, kinds) : knownKind(text.slice(0, at), text);
    if (chosen.has(kind)) throw new ConfigError(`Cannot use --index "${text}": ${kind} have a name already`);
    chosen.set(kind, text.slice(at + 1));
  }
  return chosen;
}

function onlyKind(text: string, kinds: readonly Kind[]): Kind {
  const [kind, ...others] = kinds.filter((each) => each !== "post_tombstones");
  if (kind !== undefined && others.length === 0) return kind;
  throw new ConfigError(`Cannot use --index "${text}": there is more than one kind of documents`, {
    hint: `Say which one: --index ${kind}=${text}`,
  });
}

function knownKind(word: string, text: string): Kind {
  const kind = KINDS.find((each) => each === word);
  if (kind !== undefined) return kind;
  throw new ConfigError(`Cannot use --index "${text}": the kind must be one of ${KINDS.join(", ")}`);
}

/** Facts: https://www.elastic.co/docs/api/doc/elasticsearch/v8/operation/operation-indices-create */
function checkName(name: string): string {
  const fault = new TextEncoder().encode(name).length > MOST_BYTES
    ? `it has more than ${MOST_BYTES} bytes`
    : name !== name.toLowerCase()
    ? "it must be in lower case"
    : /[\\/*?"<>| ,#:]/.test(name)
    ? 'it must not contain any of \\ / * ? " < > | , # : or a space'
    : /^[-_+]|^\.{1,2}$|^$/.test(name)
    ? "it must begin with a letter or digit"
    : undefined;
  if (fault !== undefined) throw new ConfigError(`Cannot use index "${name}": ${fault}`);
  return name;
}
