/**
 * What is looked at before the first write: the server, and the indices that the run needs.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { IndexBody } from "../../transforms/elasticsearch/mappings.ts";
import { memberOf } from "./classify.ts";
import type { Answer, Connection } from "./connection.ts";
import { createIndex, findIndices, writeIndexOf } from "./indices.ts";
import { compareMappings } from "./mapping.ts";
import { refusal } from "./refusal.ts";
import type { ReadyTarget, Target } from "./targets.ts";

const log = getLogger(["bskyingest", "elasticsearch"]);

/** What to do about an index or alias that is not there: make it, refuse to run, or do not look. */
export type SetupMode = "auto" | "check" | "off";

/** What a start needs. */
export interface StartOptions {
  readonly targets: readonly Target[];
  readonly setup: SetupMode;
  /** Settings and mappings of a new index, as the body of its creation. */
  readonly bodyOf: (kind: Kind) => IndexBody;
}

/** The checks of a start. */
export interface Start {
  /**
   * The targets, once the server could be looked at; at once where it has been.
   *
   * @throws {TransientError} It is not there yet: call again later.
   * @throws {ConfigError} It cannot be used.
   */
  ready(signal?: AbortSignal): Promise<ReadonlyMap<Kind, ReadyTarget>>;
}

/** What a server says about itself. */
export interface ServerInfo {
  /** `8.19.2`; undefined where the key may not see it. */
  readonly version: string | undefined;
  readonly cluster: string | undefined;
}

/** Whoever waits for the first answer of a server wants to hear soon that there is none, in milliseconds. */
const FIRST_ANSWER_MS = 10_000;
/** Major versions that were tried. */
const OLDEST = 8, NEWEST = 9;

/**
 * Makes a first attempt. A server that is down is left to {@link Start.ready}.
 *
 * @throws {ConfigError} It cannot be used.
 */
export async function start(connection: Connection, options: StartOptions): Promise<Start> {
  let attempt: Promise<ReadonlyMap<Kind, ReadyTarget>> | undefined;
  const ready = (signal?: AbortSignal) =>
    attempt ??= look(connection, options, signal).catch((error) => {
      attempt = undefined;
      throw error;
    });
  try {
    await ready();
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    log.warn("{message}: writing begins when it answers", { message: error.message });
  }
  return { ready };
}

async function look(
  connection: Connection,
  options: StartOptions,
  signal?: AbortSignal,
): Promise<ReadonlyMap<Kind, ReadyTarget>> {
  const { version } = await checkServer(connection, signal);
  const targets = await Promise.all(options.targets.map((target) => prepare(connection, target, options, signal)));
  log.info("{place} is Elasticsearch {version}", { place: connection.place, version: version ?? "of unknown version" });
  return new Map(targets.map((target) => [target.kind, target]));
}

/**
 * Finds out whether this is an Elasticsearch that can be used.
 *
 * @throws {TransientError} It does not answer now.
 * @throws {ConfigError} It is something else, is too old, or refuses the credentials.
 */
export async function checkServer(connection: Connection, signal?: AbortSignal): Promise<ServerInfo> {
  const answer = await connection.request({ method: "GET", path: "/", signal, timeoutMs: FIRST_ANSWER_MS });
  // A key may write without seeing the cluster.
  if (answer.status === 403) return { version: undefined, cluster: undefined };
  if (answer.status !== 200) throw refusal(`Cannot use ${connection.place}`, answer);
  const version = memberOf(memberOf(answer.body, "version"), "number");
  const fault = faultOf(answer);
  if (fault !== undefined) {
    throw new ConfigError(
      `Cannot use ${connection.place}: this is ${fault}, not Elasticsearch ${OLDEST} or ${NEWEST}`,
      {
        hint: "--sink ndjson writes a file that any program can read",
      },
    );
  }
  if (Number.parseInt(String(version)) > NEWEST) {
    log.warn("Elasticsearch {version} is newer than what was tried", { version });
  }
  return { version: String(version), cluster: stringOf(memberOf(answer.body, "cluster_name")) };
}

/** What the server is, if it is not what is needed. */
function faultOf({ body, product }: Answer): string | undefined {
  const version = memberOf(body, "version");
  const number = stringOf(memberOf(version, "number"));
  if (memberOf(version, "distribution") === "opensearch") return `OpenSearch ${number ?? "of unknown version"}`;
  if (number !== undefined && Number.parseInt(number) < OLDEST) return `Elasticsearch ${number}`;
  return product === "Elasticsearch" && number !== undefined ? undefined : "something else";
}

async function prepare(
  connection: Connection,
  target: Target,
  { setup, bodyOf }: StartOptions,
  signal?: AbortSignal,
): Promise<ReadyTarget> {
  const { kind, alias, index } = target;
  if (setup === "off") return { ...target, members: [alias] };
  let members = await checkTarget(connection, target, bodyOf(kind), signal);
  if (members.length === 0) {
    if (setup === "check") throw missing(connection, target);
    await createIndex(connection, target, bodyOf(kind), signal);
    log.info("Created index {index} with alias {alias}", { index, alias });
    members = await checkTarget(connection, target, bodyOf(kind), signal);
  }
  return { ...target, members };
}

/**
 * The members of a target as it is (see {@link ReadyTarget}); none where nothing is there.
 *
 * @throws {TransientError} The server does not answer now.
 * @throws {ConfigError} Nothing can be written to it: it has no write index, or a field of the wrong type.
 */
export async function checkTarget(
  connection: Connection,
  { alias }: Target,
  { mappings }: IndexBody,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const found = await findIndices(connection, alias, signal);
  if (found === undefined) return [alias];
  if (found.length === 0) return [];
  const written = writeIndexOf(alias, found);
  checkMapping(written.name, mappings, written.mappings);
  return [written, ...found.filter((each) => each !== written)].map(({ name }) => name);
}

function missing({ place }: Connection, { kind, alias }: Target): ConfigError {
  return new ConfigError(`Cannot write ${kind}: there is no index or alias ${alias} on ${place}`, {
    hint: "Run bskyingest elasticsearch setup, or use --setup auto",
  });
}

/** Finds fields that would make the server refuse documents, or leave them where no query finds them. */
function checkMapping(
  index: string,
  wanted: IndexBody["mappings"],
  found: Readonly<Record<string, unknown>>,
): void {
  const fatal = compareMappings(wanted, found).conflicts.filter((conflict) =>
    conflict.wanted.startsWith("dense_vector") || (conflict.wanted === "keyword" && conflict.found === "text")
  );
  const faults = fatal.map(({ field, found, wanted }) =>
    `Cannot write to index ${index}: field ${field} is ${found}, it must be ${wanted}`
  );
  const [first, ...others] = faults;
  if (first === undefined) return;
  throw new ConfigError([first, ...others], {
    hint:
      "Reindex into an index with the mapping that bskyingest elasticsearch setup --dry-run prints, or choose another " +
      "name with --index",
  });
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
