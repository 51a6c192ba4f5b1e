/**
 * Whether Elasticsearch would take documents: reach, credentials, version, indices, privileges.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { memberOf } from "../../lib/sinks/elasticsearch/classify.ts";
import { type Connection, openConnection } from "../../lib/sinks/elasticsearch/connection.ts";
import { definitionsOf } from "../../lib/sinks/elasticsearch/definitions.ts";
import { checkServer, checkTarget } from "../../lib/sinks/elasticsearch/start.ts";
import { type Target, targetsOf } from "../../lib/sinks/elasticsearch/targets.ts";
import { isWanted, KINDS } from "../../lib/transforms/elasticsearch/kinds.ts";
import { elasticsearchOf } from "../ingest/elasticsearch.ts";
import type { Values } from "../kit/declaration.ts";
import type { elasticsearchOptions } from "../options/elasticsearch.ts";
import { fail, type Finding, ok, warn } from "./check.ts";

/** What writing needs. */
const PRIVILEGES = ["read", "write", "view_index_metadata"];

/**
 * Looks at the server and the indices that a run would write to, and makes none.
 *
 * @param collections What is read; undefined: anything.
 */
export async function checkElasticsearch(
  values: Values<typeof elasticsearchOptions>,
  collections: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Finding> {
  const { connection: options, documents, targets: names, setup } = elasticsearchOf(values, {
    concurrency: 1,
    collections,
  });
  const targets = targetsOf(KINDS.filter((kind) => isWanted(kind, documents.documents)), names);
  const bodyOf = definitionsOf({ vectors: values.vectors });
  await using connection = await openConnection(options);
  const { version = "of unknown version" } = await checkServer(connection, signal);
  const missing: string[] = [];
  if (setup !== "off") {
    for (const target of targets) {
      const members = await checkTarget(connection, target, bodyOf(target.kind), signal);
      if (members.length === 0) missing.push(target.alias);
    }
  }
  if (setup === "check" && missing.length > 0) {
    return fail(`there is no index or alias ${missing.join(", ")}`, "Run bskyingest elasticsearch setup");
  }
  const wanted = missing.length > 0 ? [...PRIVILEGES, "create_index"] : PRIVILEGES;
  const rights = await checkPrivileges(connection, targets, wanted, signal);
  const indices = missing.length > 0 ? `, ${missing.join(", ")} will be made` : "";
  const detail = `${connection.place} is Elasticsearch ${version}${indices}, ${rights}`;
  return values.skipTlsVerify ? warn(`${detail}; certificates are not verified`) : ok(detail);
}

/**
 * What the key or user may do. A server without security has no such request, and lets everybody in.
 *
 * @throws {ConfigError} With what is not allowed.
 */
async function checkPrivileges(
  connection: Connection,
  targets: readonly Target[],
  privileges: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const names = targets.flatMap(({ alias, index }) => [alias, index]);
  const { status, body } = await connection.request({
    method: "POST",
    path: "/_security/user/_has_privileges",
    body: JSON.stringify({ index: [{ names, privileges }] }),
    signal,
  });
  if (status !== 200) return "privileges cannot be checked";
  if (memberOf(body, "has_all_requested") === true) return "privileges suffice";
  const lacking = Object.entries(memberOf(body, "index") ?? {}).flatMap(([name, rights]) =>
    privileges.filter((privilege) => memberOf(rights, privilege) === false).map((privilege) =>
      `${privilege} on ${name}`
    )
  );
  throw new ConfigError(`Cannot write to ${connection.place}: the key or user lacks ${lacking.join(", ")}`);
}
