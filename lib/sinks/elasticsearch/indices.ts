/**
 * The indices behind a name, as the server has them.
 *
 * @module
 */
import { ConfigError } from "../../pipeline/errors.ts";
import type { IndexBody } from "../../transforms/elasticsearch/mappings.ts";
import type { Connection } from "./connection.ts";
import { errorOf, memberOf } from "./classify.ts";
import { refusal } from "./refusal.ts";
import type { Target } from "./targets.ts";

/** An index. */
export interface FoundIndex {
  readonly name: string;
  /** Whether the alias says that it is the one to write to; undefined where the alias says nothing. */
  readonly isWriteIndex: boolean | undefined;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly mappings: Readonly<Record<string, unknown>>;
}

/**
 * What is behind an alias, or the index that bears the name itself; empty if there is nothing, undefined if the key may not look.
 *
 * @throws {TransientError | ConfigError} If the server does not say.
 */
export async function findIndices(
  connection: Connection,
  alias: string,
  signal?: AbortSignal,
): Promise<readonly FoundIndex[] | undefined> {
  const answer = await connection.request({ method: "GET", path: `/${encodeURIComponent(alias)}`, signal });
  if (answer.status === 404) return [];
  if (answer.status === 403) return undefined;
  if (answer.status !== 200) throw refusal(`Cannot look at ${alias} on ${connection.place}`, answer);
  return Object.entries(objectOf(answer.body)).map(([name, index]) => {
    const isWriteIndex = memberOf(memberOf(memberOf(index, "aliases"), alias), "is_write_index");
    return {
      name,
      isWriteIndex: typeof isWriteIndex === "boolean" ? isWriteIndex : undefined,
      settings: objectOf(memberOf(index, "settings")),
      mappings: objectOf(memberOf(index, "mappings")),
    };
  });
}

/**
 * Makes the index with its alias, or gives the alias to an index that has none. Another process may do the same.
 *
 * @throws {TransientError | ConfigError} If the server refuses.
 */
export async function createIndex(
  connection: Connection,
  { alias, index }: Target,
  body: IndexBody,
  signal?: AbortSignal,
): Promise<void> {
  const made = await connection.request({ ...creation({ alias, index }, body), signal });
  if (made.status === 200) return;
  if (errorOf(made.body).type !== "resource_already_exists_exception") {
    throw refusal(`Cannot create index ${index} on ${connection.place}`, made, `create_index on ${index}`);
  }
  const added = await connection.request({ ...aliasAddition({ alias, index }), signal });
  if (added.status !== 200) {
    throw refusal(`Cannot give alias ${alias} to index ${index}`, added, `manage on ${index} and ${alias}`);
  }
}

/** The request that makes an index under its alias. */
export function creation({ alias, index }: Pick<Target, "alias" | "index">, body: IndexBody) {
  const whole = { ...body, aliases: { [alias]: {} } };
  return { method: "PUT", path: `/${encodeURIComponent(index)}`, body: JSON.stringify(whole) } as const;
}

/** The request that puts an index under its alias. */
export function aliasAddition({ alias, index }: Pick<Target, "alias" | "index">) {
  return {
    method: "POST",
    path: "/_aliases",
    body: JSON.stringify({ actions: [{ add: { index, alias } }] }),
  } as const;
}

/**
 * The index that takes what is written to an alias.
 *
 * @throws {ConfigError} If the alias does not say.
 */
export function writeIndexOf(alias: string, found: readonly FoundIndex[]): FoundIndex {
  const [only, another] = found;
  const chosen = found.find(({ isWriteIndex }) => isWriteIndex) ??
    (another === undefined && only?.isWriteIndex === undefined ? only : undefined);
  if (chosen !== undefined) return chosen;
  const names = found.map(({ name }) => name).join(", ");
  throw new ConfigError(`Cannot write to alias ${alias}: none of its indices (${names}) is its write index`, {
    hint: `Set "is_write_index": true for one of them by POST /_aliases`,
  });
}

/** An object, whatever it is. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}
