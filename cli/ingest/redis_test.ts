import assert from "node:assert/strict";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { Options, Values } from "../kit/declaration.ts";
import { consumeOptions, redisOptions } from "../options/redis.ts";
import { inFolder } from "../../tests/support/temp.ts";
import { consumeOf, redisOf } from "./redis.ts";

const defaults = <O extends Options>(options: O): Values<O> =>
  Object.fromEntries(Object.entries(options).map(([name, { fallback }]) => [name, fallback])) as Values<O>;
const sink = defaults(redisOptions);
const facts = { stream: "s" };
const consume = { ...sink, ...defaults(consumeOptions) };

Deno.test("R30: certificates are read from their files, and a key is no use alone", () =>
  inFolder((folder) => {
    const file = `${folder}/x.pem`;
    Deno.writeTextFileSync(file, "PEM");
    const values = { ...sink, redisCaCert: file, redisCert: file, redisKey: file };
    const { caCert, cert, key } = redisOf(values, facts).connection;
    assert.deepEqual([caCert, cert, key], ["PEM", "PEM", "PEM"]);
    assert.throws(() => redisOf({ ...sink, redisKey: file }, facts), ConfigError);
    assert.throws(() => redisOf({ ...sink, redisCaCert: `${folder}/none` }, facts), ConfigError);
    return Promise.resolve();
  }));

Deno.test("what is read may be on another server than what is written", () => {
  const values = { ...consume, redisUrl: "redis://a", partition: ["0", "12"], consumer: undefined };
  assert.deepEqual(consumeOf(values, "h-0").partitions, [0, 12]);
  assert.deepEqual([consumeOf(values, "h-0").connection.url, consumeOf(values, "h-0").consumer], ["redis://a", "h-0"]);
  const other = consumeOf({ ...values, fromRedisUrl: "redis://b", partition: [], consumer: "me" }, "h-0");
  assert.deepEqual([other.connection.url, other.partitions, other.consumer], ["redis://b", undefined, "me"]);
  assert.throws(() => consumeOf({ ...values, partition: ["x"] }, "h-0"), ConfigError);
});

Deno.test("R30: a URL that is none is not repeated, for its password may be in it", () => {
  for (const { decode } of [redisOptions.redisUrl, consumeOptions.fromRedisUrl]) {
    assert.equal(decode("rediss://:secret@h:1/2"), "rediss://:secret@h:1/2");
    assert.throws(() => decode("http://:secret@h"), (error) => {
      assert(error instanceof ConfigError);
      return !error.message.includes("secret");
    });
  }
});
