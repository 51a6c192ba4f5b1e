/**
 * The sources of the matrix: commands that read from somewhere, the servers and files that they read, and what can go wrong with those.
 *
 * @module
 */
import { commitBody, messageFrame } from "../../lib/atproto/test_frames.ts";
import type { AnyEvent } from "../../lib/atproto/event.ts";
import { labelsFrame } from "../../lib/simulate/repos/messages.ts";
import {
  type CutFault,
  type Faults,
  type HttpFault,
  type SimulateServer,
  startSimulate,
} from "../../lib/simulate/server.ts";
import { openQueue } from "../../lib/sinks/queue.ts";
import { streamEntries } from "../../lib/transforms/stream_events.ts";
import { databaseOf } from "../../scripts/megastream/database.ts";
import { plainZip } from "../../scripts/megastream/files.ts";
import { post } from "../../scripts/megastream/post.ts";
import { fileRows } from "../../scripts/megastream/row.ts";
import { selfSigned } from "../support/certificate.ts";
import { type FaultProxy, faultProxy } from "../support/fault_proxy.ts";
import { sql } from "../support/queue.ts";
import type { RedisServer } from "../support/redis.ts";
import { S3_CREDENTIALS, type S3Server } from "../support/s3.ts";
import { type S3Answer, scriptedS3 } from "../support/scripted_s3.ts";
import type { ServiceName } from "../support/services.ts";
import { tlsProxy } from "../support/tls_proxy.ts";
import { didOf, fateOf, jetstreamLine, jetstreamLines, likeOf, numbers, rkeyOf, timeOf, WHERE } from "./events.ts";

/** What a test makes of the server of a source. */
export interface Behaviour {
  /** Events a second; default: as fast as they are read. */
  readonly rate?: number;
  /** Faults of the `n`-th connection, from 1 on. */
  readonly connection?: (n: number) => Partial<Faults>;
  /** Faults of the `n`-th request, from 1 on. */
  readonly request?: (n: number) => HttpFault | CutFault | void;
  /** A second host stands by, on which nothing goes wrong. */
  readonly twoHosts?: true;
  /** Nobody gets to the first host at all: its name is unknown, or its certificate not trusted. */
  readonly unreachable?: "unknown" | "untrusted";
}

/** One place to read from, as one test uses it. */
export interface SourcePlace {
  /** The command and its options. */
  readonly args: readonly string[];
  /** Variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The option that says in which folder queues are. */
  readonly folder?: readonly string[];
  /** Options that make a run read all numbers, from the first to the last one, where it does not by itself. */
  readonly whole?: readonly string[];
  /** What becomes of them by `--where` is "filtered". */
  readonly where: string;
  /** The way to the server. */
  readonly proxy?: FaultProxy;
  readonly server?: SimulateServer;
  /** The file that is read. */
  readonly file?: string;
  /** What is dead, where that is not in the dead letter of the run. */
  dead?(): Promise<number>;
}

/** What the matrix must know of a source. */
export interface SourceSpec {
  readonly needs: readonly ServiceName[];
  /** What it reads: what can go wrong depends on that. */
  readonly from: "socket" | "pages" | "bucket" | "redis" | "queue" | "files";
  /** Runs do not end by themselves. */
  readonly endless?: true;
  /** Its position as the last number that is safe; undefined: it tells no number. */
  position(cursor: unknown, last: number): number | undefined;
  /** What a server leads to whose numbers begin anew: the run ends, or recognises copies. */
  readonly anew?: "refused" | "recognised";
  /** What it reads is no record of a repository. */
  readonly noRecords?: true;
  /** Of several hosts, one stands in for the other. */
  readonly hosts?: true;
  /** Makes a place in an empty folder that has the numbers from 1 to `last`; what it starts, ends with `resources`. */
  open(
    folder: string,
    resources: AsyncDisposableStack,
    options: { readonly last: number; readonly behaviour: Behaviour },
  ): Promise<SourcePlace>;
}

/** Starts a server behind a proxy. */
async function serve(
  resources: AsyncDisposableStack,
  { rate, connection, request }: Behaviour,
  content: Parameters<typeof startSimulate>[0],
) {
  const server = resources.use(
    await startSimulate({
      ...content,
      ...(rate !== undefined && { rate }),
      // Who has no position is given everything.
      onRequest: ({ n, url }) => ({ ...(!url.searchParams.has("cursor") && { startAt: 1 }), ...connection?.(n) }),
      ...(request && { onHttp: ({ n }) => request(n) }),
    }),
  );
  return { server, proxy: resources.use(await faultProxy({ port: server.port })) };
}

/** The URL of a host, as a source with that behaviour is told it. @param scheme Without encryption; with it there is an `s` more. */
async function urlOf(
  resources: AsyncDisposableStack,
  scheme: "ws" | "http" | "redis",
  { port }: FaultProxy,
  { unreachable }: Behaviour,
): Promise<string> {
  if (unreachable === "unknown") return `${scheme}://nowhere.invalid:${port}`;
  if (unreachable === undefined) return `${scheme}://127.0.0.1:${port}`;
  return `${scheme}s://localhost:${resources.use(await tlsProxy(selfSigned("localhost"))).port}`;
}

const count = (last: number) => ["-n", String(numbers(last, "written").length)];

const jetstreamSpec = (command: "jetstream" | "connector"): SourceSpec => ({
  needs: [],
  from: "socket",
  anew: "recognised",
  hosts: true,
  position: (cursor) => (cursor as { seq?: number } | null)?.seq,
  async open(_, resources, { last, behaviour }) {
    const content = { events: jetstreamLines(last) };
    const { server, proxy } = await serve(resources, behaviour, content);
    const urls = [await urlOf(resources, "ws", proxy, behaviour)];
    if (behaviour.twoHosts) urls.push(await urlOf(resources, "ws", (await serve(resources, {}, content)).proxy, {}));
    const args = [command, ...urls.flatMap((url) => ["-i", url]), "-c", "all"];
    return {
      args: [...args, "--idle-timeout", "1s"],
      whole: ["--start-timestamp", "1970-01-01", ...count(last)],
      where: WHERE,
      server,
      proxy,
    };
  },
});

/** What is filtered is in another collection: a commit's account is part of what is signed. */
function firehoseFrame(seq: number): Uint8Array {
  const { record } = likeOf(seq), fate = fateOf(seq);
  if (fate === "dead") return messageFrame("#commit", { seq });
  const path = `app.bsky.${fate === "filtered" ? "graph.block" : "feed.like"}/${rkeyOf(seq)}`;
  return messageFrame("#commit", commitBody([{ path, record }], { seq }));
}

const labelOf = (n: number) => ({
  ...(fateOf(n) === "dead" ? {} : { src: "did:plc:labelerlabelerlabelerlab" }),
  uri: `at://did:plc:b/app.bsky.feed.post/${rkeyOf(n)}`,
  val: fateOf(n) === "filtered" ? "unwanted" : "spam",
  cts: timeOf(n),
});

const repoOf = (n: number) => ({
  ...(fateOf(n) === "dead" ? {} : { did: fateOf(n) === "filtered" ? "did:plc:unwanted" : `did:plc:${rkeyOf(n)}` }),
  head: `bafyreia${n}`,
  rev: "3mptbypluud2a",
  active: true,
});

const live = (command: "firehose" | "labeler"): SourceSpec => ({
  needs: [],
  from: "socket",
  anew: "refused",
  ...(command === "labeler" && { noRecords: true }),
  position: (cursor) => cursor as number,
  async open(_, resources, { last, behaviour }) {
    const content = command === "firehose"
      ? { frames: numbers(last).map(firehoseFrame) }
      : { labelFrames: numbers(last).map((n) => labelsFrame(n, [labelOf(n)])) };
    const { server, proxy } = await serve(resources, behaviour, content);
    const hosts = command === "firehose" ? "--relay-hosts" : "--labeler-hosts";
    const args = [command, hosts, await urlOf(resources, "ws", proxy, behaviour), "--idle-timeout", "1s"];
    const where = command === "firehose"
      ? 'event.commit.collection != "app.bsky.graph.block"'
      : 'event.label.val != "unwanted"';
    return { args, whole: count(last), where, server, proxy };
  },
});

/** A file of Megastream, and what becomes of its rows. */
function megastreamFile(last: number): { readonly name: string; readonly bytes: Uint8Array; readonly where: string } {
  const stem = "mega_jetstream_20260704_000000";
  const rows = fileRows("2026-07-04T00:00:00Z", { rng: 1 });
  for (const n of numbers(last)) {
    const text = fateOf(n) === "filtered" ? "unwanted" : rkeyOf(n);
    post(rows, { shows: "A number", text });
  }
  const columns = rows.rows.map(({ columns }, i) => fateOf(i + 1) === "dead" ? { ...columns, raw_post: "{" } : columns);
  const where = 'event.commit.record.text != "unwanted"';
  return { name: `${stem}.db.zip`, bytes: plainZip(stem, databaseOf(columns)), where };
}

/** As S3 puts it. */
function bucketAnswer(fault: HttpFault | CutFault | void): S3Answer {
  if (!fault || "cutAfter" in fault) return fault ?? {};
  const { status, retryAfter, body = "" } = fault;
  return {
    status,
    body: `<Error><Code>Scripted</Code><Message>${body}</Message></Error>`,
    headers: retryAfter === undefined ? {} : { "retry-after": `${retryAfter}` },
  };
}

/** An event as a stream and a queue have it. */
const eventOf = (n: number): AnyEvent => ({
  kind: "commit",
  did: didOf(n),
  time_us: Date.parse(timeOf(n)) * 1000,
  seq: n,
  origin: { source: "jetstream", wire: "v2", host: "h.example" },
  commit: likeOf(n) as never,
});

/** Every source, by the name of its command; `consume` and `megastream` have two. @param servers Asked for only where a source needs them. */
export function sourceSpecs(
  { redis, s3 }: { redis: () => RedisServer; s3: () => S3Server },
): Readonly<Record<string, SourceSpec>> {
  return {
    jetstream: jetstreamSpec("jetstream"),
    megastream: {
      needs: [],
      from: "files",
      position: () => undefined,
      open(folder, _, { last }) {
        const { name, bytes, where } = megastreamFile(last), file = `${folder}/files/${name}`;
        Deno.mkdirSync(`${folder}/files`);
        Deno.writeFileSync(file, bytes);
        return Promise.resolve({ args: ["megastream", "--path", `${folder}/files`], where, file });
      },
    },
    "megastream --source s3": {
      needs: ["s3"],
      from: "bucket",
      position: () => undefined,
      async open(_, resources, { last, behaviour }) {
        const { name, bytes, where } = megastreamFile(last);
        const bucket = await s3().bucket();
        await s3().put(bucket, [[name, bytes]]);
        const server = resources.use(
          await scriptedS3((_, before) => bucketAnswer(behaviour.request?.(before + 1)), s3().url),
        );
        const proxy = resources.use(await faultProxy({ port: Number(new URL(server.url).port) }));
        const endpoint = await urlOf(resources, "http", proxy, behaviour);
        const { accessKeyId, secretAccessKey } = S3_CREDENTIALS;
        return {
          args: ["megastream", "--source", "s3", "--s3-bucket", bucket, "--s3-endpoint", endpoint],
          env: { GE_AWS_S3_ACCESS_KEY: accessKeyId, GE_AWS_S3_SECRET_KEY: secretAccessKey },
          where,
          proxy,
        };
      },
    },
    firehose: live("firehose"),
    backfill: {
      needs: [],
      from: "pages",
      noRecords: true,
      position: (cursor, last) => cursor === "!ingester-done" ? last : Number(cursor),
      async open(_, resources, { last, behaviour }) {
        const { server, proxy } = await serve(resources, behaviour, { repos: numbers(last).map(repoOf) });
        const url = await urlOf(resources, "http", proxy, behaviour);
        const args = ["backfill", "--relay-hosts", url, "--page-size", "20"];
        return { args, whole: count(last), where: 'event.did != "did:plc:unwanted"', server, proxy };
      },
    },
    labeler: live("labeler"),
    connector: jetstreamSpec("connector"),
    consume: {
      needs: ["redis"],
      from: "redis",
      endless: true,
      position: () => undefined,
      async open(_, resources, { last, behaviour }) {
        const server = redis(), stream = "matrix_in";
        for (const n of numbers(last)) {
          const [entry] = streamEntries()([eventOf(n)]);
          await server.command("XADD", stream, "*", entry!.field, fateOf(n) === "dead" ? "no json" : entry!.value);
        }
        const proxy = resources.use(await faultProxy({ port: server.port }));
        const from = ["--from-redis-url", await urlOf(resources, "redis", proxy, behaviour), "--from-stream", stream];
        const fast = ["--block", "50ms", "--count", "20"];
        const dead = async () => {
          const entries: [string, string[]][] = await server.command("XRANGE", `${stream}_dlq`, "-", "+");
          return new Set(entries.map(([, fields]) => fields[fields.indexOf("id") + 1])).size;
        };
        return { args: ["consume", ...from, ...fast], where: WHERE, proxy, dead };
      },
    },
    "consume --from-queue": {
      needs: [],
      from: "queue",
      position: () => undefined,
      async open(folder, _, { last }) {
        const file = `${folder}/queue/matrix_in.db`;
        Deno.mkdirSync(`${folder}/queue`);
        {
          await using queue = await openQueue(file, { create: true, batchSize: 10 });
          await queue.put(numbers(last).map(eventOf));
        }
        const unreadable = "json_set(payload, '$[2].commit_data', 'none')";
        sql(file, `UPDATE queue SET payload = ${unreadable}`);
        const args = ["consume", "--from-queue", "matrix_in", "--once"];
        return { args, folder: ["--queue-dir", `${folder}/queue`], where: WHERE, file };
      },
    },
    replay: {
      needs: [],
      from: "files",
      position: () => undefined,
      open(folder, _, { last }) {
        const file = `${folder}/recording.jsonl`;
        Deno.writeTextFileSync(file, `${numbers(last).map(jetstreamLine).join("\n")}\n`);
        return Promise.resolve({ args: ["replay", file], where: WHERE, file });
      },
    },
  };
}
