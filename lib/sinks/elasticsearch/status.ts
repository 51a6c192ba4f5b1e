/**
 * How a server and the indices on it are: what `bskyingest elasticsearch status` shows.
 *
 * @module
 */
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import { memberOf } from "./classify.ts";
import type { Connection } from "./connection.ts";
import { findIndices, type FoundIndex, objectOf, writeIndexOf } from "./indices.ts";
import { compareMappings } from "./mapping.ts";
import { refusal } from "./refusal.ts";
import { compareTemplate, type SetupOptions, type TemplateState } from "./setup.ts";
import { checkServer } from "./start.ts";
import type { Target } from "./targets.ts";

/** What to look at. */
export interface StatusOptions extends SetupOptions {
  /** An alias that is not there is wrong; else only if none is. */
  readonly allNeeded: boolean;
}

/** One index behind an alias. */
export interface IndexStatus {
  readonly name: string;
  /** Takes what is written to the alias. */
  readonly write: boolean;
  /** Not made by this program under this name. */
  readonly foreign: boolean;
  /** Null: the key may not see it. */
  readonly documents: number | null;
  readonly bytes: number | null;
  readonly mapping: "as expected" | "incomplete" | "conflict";
  /** `write`, `read_only_allow_delete`, ... */
  readonly blocks: readonly string[];
}

/** One kind. */
export interface KindStatus {
  readonly kind: Kind;
  readonly alias: string;
  readonly indices: readonly IndexStatus[];
  /** RFC 3339; null without documents. */
  readonly newest_indexed_at: string | null;
  readonly template: TemplateState;
}

/** All of it. */
export interface ServerStatus {
  readonly ok: boolean;
  readonly server: string;
  readonly version: string | null;
  readonly cluster: string | null;
  /** `green`, `yellow`, `red`; null: the key may not see it. */
  readonly health: string | null;
  readonly kinds: readonly KindStatus[];
  /** What is wrong, a sentence each. */
  readonly problems: readonly string[];
}

/** @throws {TransientError | ConfigError} If the server is not there, is not Elasticsearch, or refuses the credentials. */
export async function serverStatus(connection: Connection, options: StatusOptions): Promise<ServerStatus> {
  const { version = null, cluster = null } = await checkServer(connection);
  const health = await ask(connection, "/_cluster/health");
  const color = typeof memberOf(health, "status") === "string" ? String(memberOf(health, "status")) : null;
  const problems = color === "red" ? ["The cluster's health is red"] : [];
  const kinds: KindStatus[] = [];
  for (const target of options.targets) kinds.push(await kindStatus(connection, target, options, problems));
  if (!options.allNeeded && kinds.every(({ indices }) => indices.length === 0)) {
    problems.push("There is none of the indices: run bskyingest elasticsearch setup");
  }
  return { ok: problems.length === 0, server: connection.place, version, cluster, health: color, kinds, problems };
}

async function kindStatus(
  connection: Connection,
  target: Target,
  { bodyOf, prefix, allNeeded }: StatusOptions,
  problems: string[],
): Promise<KindStatus> {
  const { kind, alias } = target;
  const found = await findIndices(connection, alias);
  const template = await compareTemplate(connection, target, bodyOf(kind), prefix);
  if (template === "different") problems.push(`The template of ${kind} is not as setup would make it`);
  if (found === undefined) problems.push(`The key may not look at ${alias}`);
  if (found?.length === 0 && allNeeded) problems.push(`There is no alias or index ${alias}`);
  if (found === undefined || found.length === 0) {
    return { kind, alias, indices: [], newest_indexed_at: null, template };
  }
  const stats = memberOf(await ask(connection, `/${encodeURIComponent(alias)}/_stats/docs,store`), "indices");
  const writeIndex = writeIndexName(alias, found, problems);
  const indices = found.map((each) => {
    const figures = memberOf(stats, each.name);
    return {
      name: each.name,
      write: each.name === writeIndex,
      foreign: each.name !== target.index,
      documents: numberOf(memberOf(memberOf(memberOf(figures, "primaries"), "docs"), "count")),
      bytes: numberOf(memberOf(memberOf(memberOf(figures, "total"), "store"), "size_in_bytes")),
      mapping: mappingStatus(each, bodyOf(kind).mappings, problems),
      blocks: blocksOf(each, problems),
    };
  });
  return { kind, alias, indices, newest_indexed_at: await newestOf(connection, alias), template };
}

function writeIndexName(alias: string, found: readonly FoundIndex[], problems: string[]): string | undefined {
  try {
    return writeIndexOf(alias, found).name;
  } catch {
    problems.push(`None of the indices of alias ${alias} is its write index`);
    return undefined;
  }
}

function mappingStatus(
  { name, mappings }: FoundIndex,
  wanted: Readonly<Record<string, unknown>>,
  problems: string[],
): IndexStatus["mapping"] {
  const { conflicts, additions } = compareMappings(wanted, mappings);
  for (const { field, found, wanted } of conflicts) {
    problems.push(`Field ${field} of ${name} is ${found}, it should be ${wanted}`);
  }
  if (conflicts.length > 0) return "conflict";
  if (additions === undefined) return "as expected";
  problems.push(`The mapping of ${name} is incomplete: run bskyingest elasticsearch setup`);
  return "incomplete";
}

function blocksOf({ name, settings }: FoundIndex, problems: string[]): string[] {
  const blocks = objectOf(memberOf(settings["index"], "blocks"));
  const set = Object.keys(blocks).filter((block) => String(blocks[block]) === "true");
  if (set.length > 0) problems.push(`Index ${name} is blocked: ${set.join(", ")}`);
  return set;
}

async function newestOf(connection: Connection, alias: string): Promise<string | null> {
  const body = JSON.stringify({
    size: 0,
    track_total_hits: false,
    aggs: { newest: { max: { field: "indexed_at", format: "strict_date_time" } } },
  });
  const answer = await ask(connection, `/${encodeURIComponent(alias)}/_search`, body);
  const newest = memberOf(memberOf(answer, "aggregations"), "newest");
  return memberOf(newest, "value") === undefined ? null : String(memberOf(newest, "value_as_string"));
}

/** The answer's JSON; undefined if the key may not see it. */
async function ask(connection: Connection, path: string, body?: string): Promise<unknown> {
  const answer = await connection.request({ method: body === undefined ? "GET" : "POST", path, body });
  if (answer.status === 403) return undefined;
  if (answer.status !== 200) throw refusal(`Cannot get ${path} of ${connection.place}`, answer);
  return answer.body;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
