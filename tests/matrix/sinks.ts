/**
 * The sinks of the matrix: how a run writes to each of them, who reads it there, and what can go wrong with it.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { SharedElasticsearch } from "../support/elasticsearch.ts";
import { type FaultProxy, faultProxy } from "../support/fault_proxy.ts";
import { fileExists } from "../support/program.ts";
import { startReceiver } from "../support/receiver.ts";
import type { RedisServer } from "../support/redis.ts";
import type { ServiceName } from "../support/services.ts";
import { numbersIn } from "./events.ts";

/** One place to write to, empty at first, as one test uses it. */
export interface SinkPlace {
  /** The options that lead there. */
  readonly args: readonly string[];
  /** The options that say where the position is kept, if neither the sink nor the source keeps it. */
  readonly state?: readonly string[];
  /** The numbers that a reader finds there, copies included. Absent: the sink forgets. */
  read?(): Promise<number[]>;
  /** The way to the server that it writes to. */
  readonly proxy?: FaultProxy;
  /** The file that events go to. */
  readonly file?: string;
  /** The file with the position; with a server's position, what makes it unreadable there. */
  readonly position: string | (() => Promise<unknown>);
}

/** What the matrix must know of a sink. */
export interface SinkSpec {
  readonly needs: readonly ServiceName[];
  /** Whether it doubles nothing, whenever it is killed. */
  readonly exact: boolean;
  /** What it writes to: what can go wrong depends on that. A `database` is a SQLite file, a `pipe` needs a process for each run. */
  readonly into: "database" | "file" | "network" | "pipe" | "nothing";
  /** What is in a file of its own beside the events: their server, or nobody, keeps them. */
  readonly files: "events" | "position" | "none";
  /** Folders of its files need not be there. */
  readonly makesFolder?: true;
  /** Bytes a second of its server's answers that make it slow: an answer takes a moment. */
  readonly slowBytes?: number;
  /** Makes a place in an empty folder; what it starts, ends with `resources`. */
  open(folder: string, resources: AsyncDisposableStack): Promise<SinkPlace> | SinkPlace;
}

/** Servers that all tests of a file share. */
export interface Servers {
  readonly elasticsearch: SharedElasticsearch;
  readonly redis: () => RedisServer;
}

const textsIn = (file: string, sql: string): string[] => {
  if (!fileExists(file)) return [];
  using db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  const isMade = db.prepare("SELECT count(*) AS n FROM sqlite_master").get()!.n !== 0;
  return isMade ? db.prepare(sql).all().map(({ text }) => text as string) : [];
};

const linesIn = (file: string): string[] => fileExists(file) ? Deno.readTextFileSync(file).split("\n") : [];

/** A place whose position is in a file of its own. */
const withState = (folder: string, ...args: string[]) => ({
  args,
  state: ["--state-file", `${folder}/state.json`],
  position: `${folder}/state.json`,
});

/**
 * Every sink of the registry, by its name.
 *
 * @param servers Only those of sinks that are opened need to run.
 */
export function sinkSpecs(servers: Servers): Readonly<Record<string, SinkSpec>> {
  return {
    sqlite: {
      needs: [],
      exact: true,
      into: "database",
      files: "events",
      open(folder) {
        const file = `${folder}/events.db`;
        const read = () => Promise.resolve(numbersIn(textsIn(file, "SELECT json AS text FROM events")));
        return { args: ["--sink", "sqlite", "--db", file], file, position: file, read };
      },
    },
    elasticsearch: {
      needs: ["elasticsearch"],
      exact: true,
      into: "network",
      files: "position",
      slowBytes: 20_000,
      async open(folder, resources) {
        const { es } = servers.elasticsearch, prefix = servers.elasticsearch.prefix();
        const proxy = resources.use(await faultProxy({ port: Number(new URL(es.url).port) }));
        const url = `http://127.0.0.1:${proxy.port}`;
        const options = ["--index-prefix", prefix, "--elasticsearch-timeout", "1s", "--documents", "likes,posts"];
        return {
          ...withState(folder, "--sink", "elasticsearch", "--elasticsearch-url", url, ...options),
          proxy,
          read: async () => numbersIn((await es.hits(`${prefix}*`)).map((hit) => JSON.stringify(hit))),
        };
      },
    },
    redis: {
      needs: ["redis"],
      exact: true,
      into: "network",
      files: "none",
      slowBytes: 1000,
      async open(_, resources) {
        const redis = servers.redis(), stream = "matrix";
        const proxy = resources.use(await faultProxy({ port: redis.port }));
        const args = ["--sink", "redis", "--redis-url", `redis://127.0.0.1:${proxy.port}`, "--stream", stream];
        const spoil = async () => {
          const keys: string[] = await redis.command("KEYS", `${stream}:cursor:*`);
          for (const key of keys) await redis.command("SET", key, "garbage");
        };
        const read = async () => numbersIn((await redis.entries(stream)).map(({ value }) => value));
        return { args, proxy, position: spoil, read };
      },
    },
    queue: {
      needs: [],
      exact: true,
      makesFolder: true,
      into: "database",
      files: "events",
      open(folder) {
        const file = `${folder}/queue/matrix.db`;
        const sql = "SELECT each.value AS text FROM queue, json_each(payload) AS each";
        const read = () => Promise.resolve(numbersIn(textsIn(file, sql)));
        const args = ["--sink", "queue", "--queue-dir", `${folder}/queue`, "--queue-name", "matrix"];
        return { args, file, position: file, read };
      },
    },
    webhook: {
      needs: [],
      exact: false,
      into: "network",
      files: "events",
      slowBytes: 5000,
      async open(folder, resources) {
        const receiver = resources.use(await startReceiver());
        const proxy = resources.use(await faultProxy({ port: receiver.port }));
        const file = `${folder}/webhook.db`;
        const options = ["--webhook-allow-private", "--webhook-retry-schedule", "50ms", "--webhook-max-attempts", "0"];
        return {
          args: [
            ...["--sink", "webhook", "--webhook-url", `http://127.0.0.1:${proxy.port}/hook`, "--webhook-queue", file],
            ...[...options, "--webhook-timeout", "1s"],
          ],
          proxy,
          file,
          position: file,
          read: () => Promise.resolve(numbersIn(receiver.taken.map(({ body }) => body))),
        };
      },
    },
    ndjson: {
      needs: [],
      exact: false,
      into: "file",
      files: "events",
      open(folder) {
        const file = `${folder}/events.ndjson`;
        const read = () => Promise.resolve(numbersIn(linesIn(file)));
        return { ...withState(folder, "--sink", "ndjson", "--out", file), file, read };
      },
    },
    stdout: {
      needs: [],
      exact: false,
      into: "pipe",
      files: "position",
      open: (folder) => withState(folder, "--sink", "stdout"),
    },
    null: {
      needs: [],
      exact: false,
      into: "nothing",
      files: "position",
      open: (folder) => withState(folder, "--sink", "null"),
    },
  };
}
