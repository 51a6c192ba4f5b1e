import assert from "node:assert/strict";
import { ListBucketsCommand } from "@aws-sdk/client-s3";
import { redisLink } from "../../lib/net/redis/link.ts";
import { elasticsearchClient } from "../support/elasticsearch.ts";
import { ROOT } from "../support/paths.ts";
import { s3ServerAt } from "../support/s3.ts";
import { ELASTICSEARCH_HOME, REDIS_SERVER, S3_HOME, serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `scripts/services` with its cache below `cache`. */
async function services(cache: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(`${ROOT}/scripts/services`, {
    args: [...args],
    env: { XDG_CACHE_HOME: cache, ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs `fn` with a cache of its own, in which the servers are installed as they are in the user's. */
function inCache(fn: (cache: string) => Promise<void>): Promise<void> {
  return inFolder(async (cache) => {
    await Deno.mkdir(`${cache}/bskyingest/services`, { recursive: true });
    await Deno.symlink(ELASTICSEARCH_HOME, `${cache}/bskyingest/services/elasticsearch`);
    await Deno.symlink(S3_HOME, `${cache}/bskyingest/services/s3`);
    try {
      await fn(cache);
    } finally {
      await services(cache, ["stop"]);
    }
  });
}

serviceTest(
  "a server is started, named in env, and stopped; nothing else is",
  ["elasticsearch"],
  () =>
    inCache(async (cache) => {
      const before = await services(cache, ["status", "elasticsearch"]);
      assert.match(before.stdout, /^elasticsearch +installed +8\.\S+\n$/);
      assert.deepEqual(await services(cache, ["env"]), { code: 0, stdout: "", stderr: "" });

      using foreign = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const wanted = { BSKYINGEST_ELASTICSEARCH_PORT: String(foreign.addr.port) };
      const started = await services(cache, ["start", "elasticsearch"], wanted);
      assert.equal(started.code, 0, started.stdout + started.stderr);
      const url = /^elasticsearch +up +8\.\S+ +(http:\/\/127\.0\.0\.1:\d+)\n$/.exec(started.stdout)?.[1];
      assert(url !== undefined, started.stdout);
      assert.notEqual(new URL(url).port, wanted.BSKYINGEST_ELASTICSEARCH_PORT, "that one was taken");
      const { cluster_uuid } = await elasticsearchClient(url).json("GET", "/");

      const env = await services(cache, ["env"]);
      assert.equal(env.stdout, `export BSKYINGEST_TEST_ELASTICSEARCH_URL=${url}\n`);
      assert.equal((await services(cache, ["start", "elasticsearch"])).stdout, started.stdout, "started already");
      assert.equal((await elasticsearchClient(url).json("GET", "/")).cluster_uuid, cluster_uuid);

      // A process that has got the server's number meanwhile: same number, other start.
      const run = `${cache}/bskyingest/services/run/elasticsearch`;
      const [pid, , port] = (await Deno.readTextFile(run)).split("\n");
      const file = await Deno.readTextFile(run);
      await Deno.writeTextFile(run, `${pid}\nThu Jan 1 00:00:00 1970\n${port}\n`);
      assert.equal((await services(cache, ["stop"])).code, 0);
      assert.equal((await elasticsearchClient(url).request("GET", "/")).status, 200, "not ours, so it goes on");

      await Deno.writeTextFile(run, file);
      assert.equal((await services(cache, ["stop", "elasticsearch"])).code, 0);
      await assert.rejects(elasticsearchClient(url).request("GET", "/"));
      assert.equal((await services(cache, ["status", "elasticsearch"])).stdout, before.stdout);
    }),
);

serviceTest("the S3 server takes only who has the key", ["s3"], () =>
  inCache(async (cache) => {
    const started = await services(cache, ["start", "s3"], { BSKYINGEST_S3_PORT: "19100" });
    assert.equal(started.code, 0, started.stdout + started.stderr);
    const url = /^s3 +up +versitygw v\S+ +(http:\/\/127\.0\.0\.1:\d+)\n$/.exec(started.stdout)?.[1];
    assert(url !== undefined, started.stdout);
    assert.equal((await services(cache, ["env"])).stdout, `export BSKYINGEST_TEST_S3_URL=${url}\n`);
    const stranger = await fetch(url);
    assert.equal(stranger.status, 403, await stranger.text());
    await using server = s3ServerAt(url);
    assert.deepEqual((await server.client.send(new ListBucketsCommand({}))).Buckets, []);
    assert.equal((await services(cache, ["stop"])).code, 0);
    await assert.rejects(fetch(url), TypeError);
  }));

serviceTest("the Redis server is started where it was asked for", ["redis"], () =>
  inFolder(async (cache) => {
    const home = `${cache}/bskyingest/services/redis`;
    await Deno.mkdir(home, { recursive: true });
    await Deno.symlink(REDIS_SERVER, `${home}/redis-server`);
    try {
      const started = await services(cache, ["start", "redis"], { BSKYINGEST_REDIS_PORT: "16479" });
      assert.equal(started.code, 0, started.stdout + started.stderr);
      const url = /^redis +up +\d+\.\d+\.\d+ +(redis:\/\/127\.0\.0\.1:\d+)\n$/.exec(started.stdout)?.[1];
      assert(url !== undefined, started.stdout);
      assert.equal((await services(cache, ["env"])).stdout, `export BSKYINGEST_TEST_REDIS_URL=${url}\n`);
      await using link = redisLink({ url });
      assert.equal(await link.send("", ["PING"]), "PONG");
    } finally {
      assert.equal((await services(cache, ["stop"])).code, 0);
    }
  }));

Deno.test("where Redis cannot be had, it says why", () =>
  inFolder(async (cache) => {
    await fakeCommands(cache, ["id"], "echo 1000");
    await fakeCommands(cache, ["apt-get"], "exit 1");
    for (const name of ["bash", "dirname", "cat", "mkdir", "rm", "flock", "sed", "grep", "tail", "cut"]) {
      await linkCommand(cache, name);
    }
    const { code, stdout } = await services(cache, ["install", "redis"], { PATH: `${cache}/bin` });
    assert.deepEqual([code, stdout], [
      3,
      "redis          missing    needs redis-tools: install them, or run this as root\n",
    ]);
  }));

serviceTest(
  "what is installed is not installed again, and takes no network",
  ["elasticsearch", "s3"],
  () =>
    inCache(async (cache) => {
      // Any attempt to download or to build would have to call one of these.
      await fakeCommands(cache, ["mvn", "javac", "go", "apt-get"], 'echo called >>"$XDG_CACHE_HOME/called"; exit 1');
      const path = `${cache}/bin:${Deno.env.get("PATH")}`;
      const { code, stdout } = await services(cache, ["install", "elasticsearch", "s3"], { PATH: path });
      assert.equal(code, 0);
      assert.match(stdout, /^elasticsearch +installed .*\ns3 +installed .*\n$/);
      await assert.rejects(Deno.stat(`${cache}/called`), Deno.errors.NotFound);
    }),
);

Deno.test("what could not be had is said with the reason, and the exit status is 3", () =>
  inFolder(async (cache) => {
    await fakeCommands(
      cache,
      ["mvn"],
      'echo "[ERROR] Could not transfer artifact org.example:x"; echo "[ERROR] -> [Help 1]"; exit 1',
    );
    await fakeCommands(cache, ["java", "javac", "jar"], "exit 0");
    const path = `${cache}/bin:${Deno.env.get("PATH")}`;
    const failed = await services(cache, ["install", "elasticsearch"], { PATH: path });
    const row =
      "elasticsearch  missing    Maven could not fetch the jars: [ERROR] Could not transfer artifact org.example:x\n";
    assert.deepEqual([failed.code, failed.stdout], [3, row]);
    assert.equal((await services(cache, ["status", "elasticsearch"], { PATH: path })).stdout, row, "remembered");
    const started = await services(cache, ["start", "elasticsearch"], { PATH: path });
    assert.deepEqual([started.code, started.stdout], [3, row]);
    assert.equal((await services(cache, ["env"])).stdout, "");
  }));

Deno.test("where something must be installed by hand, it says what", () =>
  inFolder(async (cache) => {
    // A machine with neither Java nor Maven nor Go, and a user who is not root.
    await fakeCommands(cache, ["id"], "echo 1000");
    await fakeCommands(cache, ["apt-get"], "exit 1");
    for (const name of ["bash", "dirname", "cat", "cksum", "mkdir", "flock", "sed", "grep", "tail", "cut"]) {
      await linkCommand(cache, name);
    }
    const { code, stdout } = await services(cache, ["install", "elasticsearch", "s3"], { PATH: `${cache}/bin` });
    const rows = "elasticsearch  missing    needs default-jdk-headless maven: install them, or run this as root\n" +
      "s3             missing    needs go, which is not installed\n";
    assert.deepEqual([code, stdout], [3, rows]);
  }));

Deno.test("an unknown service or command is misuse, status 2", () =>
  inFolder(async (cache) => {
    const unknown = await services(cache, ["start", "kafka"]);
    assert.deepEqual([unknown.code, unknown.stdout], [2, ""]);
    assert.match(
      unknown.stderr,
      /^Cannot start "kafka": no such service \(there are: elasticsearch s3 redis shells tools\)\n$/,
    );
    const command = await services(cache, ["restart"]);
    assert.deepEqual([command.code, command.stdout], [2, ""]);
    assert.match(command.stderr, /scripts\/services start \[NAME\.\.\.\]/);
  }));

async function fakeCommands(cache: string, names: readonly string[], script: string): Promise<void> {
  await Deno.mkdir(`${cache}/bin`, { recursive: true });
  for (const name of names) await Deno.writeTextFile(`${cache}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function linkCommand(cache: string, name: string): Promise<void> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const found = await Deno.stat(`${folder}/${name}`).then(() => true, () => false);
    if (found) return await Deno.symlink(`${folder}/${name}`, `${cache}/bin/${name}`);
  }
}
