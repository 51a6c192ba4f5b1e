/**
 * `elasticsearch setup` and `elasticsearch status`: the indices that the sink writes to.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { KindStatus, ServerStatus } from "../../lib/sinks/elasticsearch/status.ts";
import type { SetupObject, SetupOptions } from "../../lib/sinks/elasticsearch/setup.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import type { Values } from "../kit/declaration.ts";
import { toggle } from "../kit/option.ts";
import { connectionOptions, indexOptions, shardOptions } from "../options/elasticsearch.ts";

const options = { ...connectionOptions, ...indexOptions, ...shardOptions } as const;

const setup = defineSubcommand({
  brief: "Make templates, indices and aliases, extend mappings",
  description:
    "What is there already is compared with what is wanted and, where it can be, extended. Where a field has " +
    "another type than documents need, nothing is changed, and the exit status is 2.",
  examples: [
    { run: "bskyingest elasticsearch setup", does: "on the server of ELASTICSEARCH_URL" },
    { run: "bskyingest elasticsearch setup --dry-run", does: "print every request, send none" },
    { run: "bskyingest elasticsearch setup --documents likes --index-replicas 0", does: "one kind, for a single node" },
  ],
  options: {
    ...options,
    dryRun: toggle("dry-run", { help: "Print the requests and send none; needs no server", common: true }),
  },
  async run(context) {
    const { values, globals, stdout } = context;
    const { setupRequests, setUp } = await import("../../lib/sinks/elasticsearch/setup.ts");
    const wanted = await wantedOf(values);
    if (values.dryRun) {
      for (const { method, path, body } of setupRequests(wanted)) {
        const json: unknown = JSON.parse(body);
        if (globals.json) await stdout(JSON.stringify({ method, path, body: json }));
        else await stdout(`${method} ${path}\n${JSON.stringify(json, undefined, 2)}`);
      }
      return 0;
    }
    await using connection = await connect(values);
    const objects = await setUp(connection, wanted);
    if (globals.json) await stdout(JSON.stringify({ server: connection.place, objects }));
    else for (const object of objects) await stdout(objectLine(object));
    if (objects.every(({ state }) => state !== "conflict")) return 0;
    throw new ConfigError(`Cannot set up ${connection.place}: what is there is in the way, nothing was changed`);
  },
});

const status = defineSubcommand({
  brief: "Server, indices, documents, mappings; exit status 1 if something is wrong",
  examples: [
    { run: "bskyingest elasticsearch status", does: "of the server of ELASTICSEARCH_URL" },
    { run: "bskyingest elasticsearch status --json | jq .problems", does: "what is wrong" },
  ],
  options,
  async run(context) {
    const { values, globals, stdout } = context;
    const { serverStatus } = await import("../../lib/sinks/elasticsearch/status.ts");
    const wanted = await wantedOf(values);
    await using connection = await connect(values);
    const found = await serverStatus(connection, { ...wanted, allNeeded: context.given("documents") });
    if (globals.json) await stdout(JSON.stringify(found));
    else for (const line of statusLines(found)) await stdout(line);
    return found.ok ? 0 : 1;
  },
});

/** The `elasticsearch` command. */
export const command: CommandGroup = {
  description:
    "The indices that --sink elasticsearch writes to. It makes them by itself; setup also makes templates, " +
    "and brings the mappings of older indices up to date.",
  examples: [...setup.examples, ...status.examples],
  subcommands: { setup, status },
};

/** @throws {ConfigError} For names, numbers and models that cannot be. */
async function wantedOf(values: Values<typeof options>): Promise<SetupOptions> {
  const { isWanted, KINDS } = await import("../../lib/transforms/elasticsearch/kinds.ts");
  const { definitionsOf } = await import("../../lib/sinks/elasticsearch/definitions.ts");
  const { targetsOf } = await import("../../lib/sinks/elasticsearch/targets.ts");
  const { documentsOf } = await import("../ingest/elasticsearch.ts");
  const kinds = KINDS.filter((kind) => isWanted(kind, documentsOf(values)));
  return {
    targets: targetsOf(kinds, { prefix: values.indexPrefix, names: values.index }),
    bodyOf: definitionsOf({
      vectors: values.vectors,
      embeddings: values.embeddings,
      shards: values.indexShards,
      replicas: values.indexReplicas,
    }),
    prefix: values.indexPrefix,
  };
}

/** @throws {ConfigError} For a URL, certificate or key that cannot be. */
async function connect(values: CommandContext<typeof options>["values"]) {
  const { connectionOf } = await import("../ingest/elasticsearch.ts");
  const { openConnection } = await import("../../lib/sinks/elasticsearch/connection.ts");
  return await openConnection(connectionOf(values));
}

function objectLine({ object, name, state, notes }: SetupObject): string {
  return [`${state.padEnd(9)}  ${object} ${name}`, ...notes.map((note) => `           ${note}`)].join("\n");
}

function statusLines({ server, version, cluster, health, kinds, problems }: ServerStatus): string[] {
  return [
    `${server}  Elasticsearch ${version ?? "of unknown version"}  cluster ${cluster ?? "unknown"}  ${
      health ?? "health unknown"
    }`,
    ...kinds.flatMap(kindLines),
    ...(problems.length === 0 ? ["Nothing is wrong"] : problems),
  ];
}

function kindLines({ alias, indices, newest_indexed_at, template }: KindStatus): string[] {
  if (indices.length === 0) return [`${alias}  not there  template ${template}`];
  return [
    `${alias}  newest ${newest_indexed_at ?? "none"}  template ${template}`,
    ...indices.map(({ name, write, foreign, documents, bytes, mapping, blocks }) =>
      [
        `  ${name}`,
        `${documents ?? "?"} documents`,
        `${bytes ?? "?"} bytes`,
        `mapping ${mapping}`,
        ...(write ? [] : ["not written to"]),
        ...(foreign ? ["foreign"] : []),
        ...blocks.map((block) => `blocked: ${block}`),
      ].join("  ")
    ),
  ];
}
