/**
 * Real Elasticsearch servers for tests, as `scripts/services install elasticsearch` laid them out.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { ROOT } from "./paths.ts";
import { ELASTICSEARCH_HOME, isInstalled } from "./services.ts";

/** How a server is started. */
export interface ElasticsearchOptions {
  /** The Java heap; default `512m`. */
  readonly heap?: string;
  /** Settings of the node, as in `elasticsearch.yml`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** What was answered. */
export interface ElasticsearchAnswer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

/** Asks a server. */
export interface ElasticsearchClient {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Sends a request, with `body` as JSON (a string as it is) and returns the answer's JSON. */
  request(method: string, path: string, body?: unknown): Promise<ElasticsearchAnswer>;
  /** The same, for requests that must not be refused. @throws {Error} with the server's words. */
  // deno-lint-ignore no-explicit-any
  json(method: string, path: string, body?: unknown): Promise<any>;
  /** How many documents an index or alias has, those of a moment ago included; 0 if there is no such index. */
  count(index: string): Promise<number>;
  /** The documents of indices or aliases, those of a moment ago included, at most 10,000. */
  hits(index: string): Promise<Hit[]>;
  /** The same by id. */
  documents(index: string): Promise<Map<string, Hit["_source"]>>;
}

/** A document as a search returns it. */
export interface Hit {
  readonly _index: string;
  readonly _id: string;
  readonly _version: number;
  readonly _source: Readonly<Record<string, unknown>>;
}

/** A server in a process of its own; it ends, and its data are deleted, with the block: `await using es = await startElasticsearch()`. */
export interface Elasticsearch extends ElasticsearchClient, AsyncDisposable {
  readonly pid: number;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers; resolves when that is so. */
  freeze(): Promise<void>;
  /** SIGCONT */
  thaw(): void;
  /** Starts it again on the same port and data, by kill -9 if it still runs; resolves when it is healthy. */
  restart(): Promise<void>;
}

/** Starts a server on a free loopback port with an empty data folder; it takes about four seconds. */
export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<Elasticsearch> {
  const data = await Deno.makeTempDir({ prefix: "bskyingest-elasticsearch-" });
  const port = freePort();
  const client = elasticsearchClient(`http://127.0.0.1:${port}`);
  let node = spawn(data, port, options);
  const server: Elasticsearch = {
    get pid() {
      return node.pid;
    },
    ...client,
    kill: () => end(node),
    async freeze() {
      node.kill("SIGSTOP");
      while (await answers(client.url)); // its threads stop one after the other
    },
    thaw: () => node.kill("SIGCONT"),
    async restart() {
      await end(node);
      node = spawn(data, port, options);
      await healthy(client, node, data);
    },
    async [Symbol.asyncDispose]() {
      await end(node);
      await Deno.remove(data, { recursive: true });
    },
  };
  try {
    await healthy(client, node, data);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** One server for all tests of a file. */
export interface SharedElasticsearch {
  /** The server, in tests. */
  readonly es: ElasticsearchClient;
  /** A name that no other test has: what an index's name begins with. */
  prefix(): string;
}

/**
 * Has one server run before the first test of this file until after the last one. Where `BSKYINGEST_TEST_ELASTICSEARCH_URL` names a server
 * that one is used, and what the tests made in it is deleted.
 */
export function sharedElasticsearch(options: ElasticsearchOptions = {}): SharedElasticsearch {
  const given = Deno.env.get("BSKYINGEST_TEST_ELASTICSEARCH_URL");
  const run = `t${crypto.randomUUID().slice(0, 8)}-`;
  let prefixes = 0;
  let client: ElasticsearchClient | undefined;
  let own: Elasticsearch | undefined;
  Deno.test.beforeAll(async () => {
    if (given) client = elasticsearchClient(given);
    else if (isInstalled("elasticsearch")) client = own = await startElasticsearch(options);
  });
  Deno.test.afterAll(async () => {
    if (own) await own[Symbol.asyncDispose]();
    else await client?.json("DELETE", `/${run}*`);
  });
  return {
    get es() {
      if (!client) throw new Error("Cannot use Elasticsearch: it is not installed, or no test runs yet");
      return client;
    },
    prefix: () => `${run}${++prefixes}-`,
  };
}

/** Asks the server at `url`, with a patience of 30 seconds. */
export function elasticsearchClient(url: string): ElasticsearchClient {
  const request: ElasticsearchClient["request"] = async (method, path, body) => {
    const response = await fetch(url + path, {
      method,
      ...(body === undefined ? {} : {
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "content-type": path.includes("_bulk") ? "application/x-ndjson" : "application/json" },
      }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const json: ElasticsearchClient["json"] = async (method, path, body) => {
    const answer = await request(method, path, body);
    if (answer.status < 400) return answer.body;
    throw new Error(`Cannot ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  const hits: ElasticsearchClient["hits"] = async (index) => {
    await json("POST", `/${index}/_refresh`);
    return (await json("POST", `/${index}/_search`, { size: 10_000, version: true })).hits.hits;
  };
  return {
    url,
    request,
    json,
    async count(index) {
      const { status } = await request("POST", `/${index}/_refresh`);
      return status === 404 ? 0 : (await json("GET", `/${index}/_count`)).count;
    },
    hits,
    documents: async (index) => new Map((await hits(index)).map(({ _id, _source }) => [_id, _source])),
  };
}

/** Whether a server that was just told to stop still answers. */
async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(200) })).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A node whose output goes to a file, so that nothing of it has to be read while tests come and go. */
function spawn(data: string, port: number, { heap = "512m", settings = {} }: ElasticsearchOptions): Deno.ChildProcess {
  const start = `${ROOT}/scripts/services.d/elasticsearch/start.sh`;
  return new Deno.Command("bash", {
    args: [
      "-c",
      `exec "$0" "$@" >>"$2/log" 2>&1`,
      start,
      ELASTICSEARCH_HOME,
      data,
      String(port),
      ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
    ],
    // It must not outlive a test run that is killed.
    env: { HEAP: heap, ENDS_WITH_STDIN: "true" },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function end(node: Deno.ChildProcess): Promise<void> {
  try {
    node.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // else it has ended already
  }
  await node.status;
  if (!node.stdin.locked) await node.stdin.abort().catch(() => {}); // its other end is gone
}

/** Waits until a node answers, up to a minute. */
async function healthy(client: ElasticsearchClient, node: Deno.ChildProcess, data: string): Promise<void> {
  let ended = false;
  node.status.then(() => ended = true);
  for (const last = Date.now() + 60_000; Date.now() < last && !ended;) {
    const health = client.request(
      "GET",
      "/_cluster/health?wait_for_status=yellow&wait_for_no_initializing_shards=true&timeout=1s",
    );
    if ((await health.catch(() => undefined))?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const log = readFileSync(`${data}/log`, "utf8").trim().split("\n").slice(-10).join("\n");
  throw new Error(`Cannot start Elasticsearch: it ${ended ? "has ended" : "is not healthy after 60 s"}\n${log}`);
}
