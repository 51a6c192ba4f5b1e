import { readCompressed } from "../support/compressed.ts";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SINK_NAMES, type SinkName, SINKS, type SinkSettings } from "../../lib/sinks/registry.ts";
import { stdoutSink } from "../../lib/sinks/stdout.ts";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import type { ServiceName } from "../support/services.ts";
import { sharedRedis } from "../support/redis.ts";
import { elasticsearchFixture } from "./elasticsearch_fixture.ts";
import { queueFixture } from "./queue_fixture.ts";
import { redisFixture } from "./redis_fixture.ts";
import { sinkContract, type SinkFixture } from "./sink_contract.ts";

const elasticsearch = sharedElasticsearch();
const redis = sharedRedis();

function settings(folder: string): SinkSettings {
  return {
    db: `${folder}/events.db`,
    table: "events",
    indexes: ["time", "changed"],
    retentionMs: undefined,
    out: `${folder}/events.ndjson`,
    queue: { file: `${folder}/queue.db` },
  };
}

const lines = (text: string) => text === "" ? [] : text.replace(/\n$/, "").split("\n");

/** Where each sink writes to in the tests, and who reads it there. */
const FIXTURES: Record<SinkName, (folder: string) => SinkFixture> = {
  sqlite: (folder) => ({
    open: () => SINKS.sqlite.open(settings(folder)),
    read: () => {
      using db = new DatabaseSync(settings(folder).db, { readOnly: true });
      const rows = db.prepare("SELECT json FROM events ORDER BY position").all();
      return Promise.resolve(rows.map(({ json }) => json as string));
    },
  }),
  elasticsearch: (folder) => elasticsearchFixture(elasticsearch, settings(folder)),
  redis: (folder) => redisFixture(redis().url, settings(folder)),
  queue: (folder) => queueFixture(settings(folder)),
  ndjson: (folder) => ({
    open: () => SINKS.ndjson.open(settings(folder)),
    read: async () => lines(await Deno.readTextFile(settings(folder).out)),
  }),
  stdout: () => {
    let text = "";
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const write = (bytes: Uint8Array) => {
      text += decoder.decode(bytes, { stream: true });
      return Promise.resolve(bytes.length);
    };
    return { open: () => Promise.resolve(stdoutSink({ write })), read: () => Promise.resolve(lines(text)) };
  },
  null: (folder) => ({ open: () => SINKS.null.open(settings(folder)) }),
};

Deno.test("every sink that is offered has a place in the contract", () => {
  assert.deepEqual(Object.keys(FIXTURES).sort(), [...SINK_NAMES].sort());
});

const NEEDS: Partial<Record<SinkName, readonly ServiceName[]>> = {
  elasticsearch: ["elasticsearch"],
  redis: ["redis"],
};

for (const name of SINK_NAMES) {
  const { keepsPosition } = SINKS[name];
  sinkContract({ name, keepsPosition, needs: NEEDS[name] ?? [], fixture: FIXTURES[name] });
}

sinkContract({
  name: "redis",
  variant: " with partitions",
  keepsPosition: true,
  needs: ["redis"],
  fixture: (folder) => redisFixture(redis().url, settings(folder), { partitions: 3 }),
});

for (const variant of [".gz", ".zst"]) {
  const path = (folder: string) => settings(folder).out + variant;
  const fixture = (folder: string): SinkFixture => ({
    open: () => SINKS.ndjson.open({ ...settings(folder), out: path(folder) }),
    read: async () => lines(await readCompressed(path(folder))),
  });
  sinkContract({ name: "ndjson", variant, keepsPosition: false, fixture });
}
