import assert from "node:assert/strict";
import { CLAIMING, consume, fill, left, stopped } from "../support/consume_run.ts";
import { sharedElasticsearch } from "../support/elasticsearch.ts";
import { placeIn } from "../support/elasticsearch_replay.ts";
import { startRedis } from "../support/redis.ts";
import { until } from "../support/redis_sink.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";

const TOTAL = 10_000;
const shared = sharedElasticsearch();

serviceTest(
  `R35: ${TOTAL} entries, two processes into Elasticsearch, one is killed: each is a document, and there is no other`,
  ["redis", "elasticsearch"],
  async () => {
    using folder = tempFolder();
    await using redis = await startRedis();
    await fill(folder.path, redis, TOTAL, "-c", "app.bsky.feed.like", "--kinds", "commit", "--ops", "create");
    const ids = (await redis.entries("jetstream_live")).map(({ value }) => {
      const { did, collection, rkey } = JSON.parse(value);
      return `at://${did}/${collection}/${rkey}`;
    });
    const { args, prefix } = placeIn(shared);
    const options = [...CLAIMING, "--sink", "elasticsearch", ...args, "--count", "100"];
    await using first = consume(folder.path, redis, ...options);
    await using second = consume(folder.path, redis, ...options);
    for (const each of [first, second]) await each.stderr.waitFor(" run: ");
    await until(async () => await shared.es.count(`${prefix}likes`) > 500);
    first.kill("SIGKILL");
    await first.status;
    assert(await left(redis) > 0, "it was killed at work");
    await until(async () => await left(redis) === 0);
    const { dead_lettered, consume: { dead } } = await stopped(second);
    assert.deepEqual([dead_lettered, dead], [0, 0]);
    const found = [...(await shared.es.documents(`${prefix}likes`)).keys()];
    assert.deepEqual(found.sort(), ids.sort());
  },
);
