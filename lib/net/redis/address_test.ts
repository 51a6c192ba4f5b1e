import assert from "node:assert/strict";
import { ConfigError } from "../../pipeline/errors.ts";
import { parseRedisUrl } from "./address.ts";

Deno.test("a URL is taken apart, and its password is percent-decoded", () => {
  assert.deepEqual(parseRedisUrl("rediss://me:p%40s%2Fs@h.example:7000/2"), {
    nodes: [{ host: "h.example", port: 7000 }],
    username: "me",
    password: "p@s/s",
    database: 2,
    tls: true,
    cluster: false,
    describe: "h.example:7000/2",
  });
  assert.deepEqual(parseRedisUrl("redis://[::1]/").nodes, [{ host: "::1", port: 6379 }]);
  const { username, password } = parseRedisUrl("redis://:secret@h");
  assert.deepEqual([username, password], [undefined, "secret"]);
});

Deno.test("a cluster has several nodes", () => {
  const { nodes, cluster, describe } = parseRedisUrl("redis+cluster://a:1,b:2");
  assert.deepEqual([nodes, cluster, describe], [[{ host: "a", port: 1 }, { host: "b", port: 2 }], true, "a:1,b:2"]);
});

Deno.test("R30: what is no URL of Redis is refused without being repeated", () => {
  for (
    const url of [
      "",
      "h:1",
      "http://u:secret@h",
      "redis://",
      "redis://u:secret@h:99999",
      "redis://%:secret@h",
      "redis://h/x",
    ]
  ) {
    assert.throws(() => parseRedisUrl(url), (error) => {
      assert(error instanceof ConfigError, url);
      return !error.message.includes("secret");
    });
  }
});
