import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { targetsOf } from "../../cli/kit/command.ts";
import { registry } from "../../cli/registry.ts";
import { SINKS } from "../../lib/sinks/registry.ts";
import { ask, askJson, startWatched, untilIs } from "../support/ops.ts";
import { assertCalm, type Ended, ended, filesIn, run, until } from "../support/program.ts";
import { startReceiver } from "../support/receiver.ts";
import { startRedis } from "../support/redis.ts";
import { bulkOk, failure, scriptedElasticsearch } from "../support/scripted_elasticsearch.ts";
import { s3Failure, scriptedS3 } from "../support/scripted_s3.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const MARKER = "m4rker-of-a-secret";
/** As an API key is written. */
const ENCODED = btoa(MARKER);
/** A signing key, and a part of it. */
const KEY = `whsec_${btoa(MARKER + MARKER)}`;

/** What each secret option is set to, by its name. */
const SECRETS: Readonly<Record<string, string>> = {
  "listen-token": MARKER,
  "redis-password": MARKER,
  "elasticsearch-api-key": ENCODED,
  "elasticsearch-password": MARKER,
  "webhook-bearer-token": MARKER,
  "webhook-secret": KEY,
  "webhook-header": `X-Key: ${MARKER}`,
  "webhook-url": `https://127.0.0.1:1/?key=${MARKER}`,
};

/** What would choose another sink, or exclude other credentials. */
const SET_APART = ["webhook-url", "elasticsearch-password"];

/** The others as variables, and those of Amazon's library. */
const ENV: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(SECRETS).filter(([name]) => !SET_APART.includes(name))
      .map(([name, value]) => [`BSKYINGEST_${name.toUpperCase().replaceAll("-", "_")}`, value]),
  ),
  AWS_ACCESS_KEY_ID: "an-id-that-may-be-seen",
  AWS_SECRET_ACCESS_KEY: MARKER,
};

const DEBUG = ["--log-level", "debug"];
const HEADERS = { authorization: `Bearer ${MARKER}` };
const ROUTES = ["/", "/stats", "/status", "/health", "/healthz", "/readyz", "/metrics", "/stats/html", "/nope"];

/** No secret in any text, nor in any file below the folder. */
function assertNoSecret(folder: string, texts: readonly string[]): void {
  const files = filesIn(folder).map((
    name,
  ) => [name, Buffer.from(Deno.readFileSync(`${folder}/${name}`)).toString("latin1")]);
  for (const [where, text] of [["the output", texts.join("\n")], ...files]) {
    for (const secret of [MARKER, ENCODED, KEY]) {
      const at = text!.indexOf(secret);
      assert.equal(at, -1, `${where}: ...${text!.slice(Math.max(0, at - 60), at + 60)}...`);
    }
  }
}

const said = ({ stdout, stderr }: Ended): string[] => [...stdout, ...stderr];

/**
 * Runs jetstream into a sink, asks its operations server everything once the server has had some `requests`, ends it, and looks at all
 * that it has said and written.
 */
async function watch(
  folder: string,
  sink: string,
  args: readonly string[] = [],
  requests: () => number = () => Infinity,
): Promise<void> {
  const simulate = ["jetstream", "--simulate", "-c", "all", "--batch-timeout", "50ms", "--sink", sink, "--json"];
  await using watched = await startWatched(folder, [...simulate, ...DEBUG, ...args], { token: false, env: ENV });
  await untilIs(
    () => askJson(`${watched.url}/stats`, { headers: HEADERS }),
    (stats) => stats.totalReceived > 0,
    "events",
  );
  await until(() => requests() >= 3, "requests");
  const texts = [];
  for (const path of ROUTES) {
    texts.push((await ask(watched.url + path, { headers: HEADERS })).text, (await ask(watched.url + path)).text);
  }
  watched.child.kill();
  const end = await ended(watched.child);
  assert.equal(end.code, 0, end.stderr.join("\n"));
  assertCalm(end);
  assertNoSecret(folder, [...texts, ...said(end)]);
}

/** Runs with what a sink needs besides. */
const SETUPS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  async elasticsearch(folder) {
    // It repeats what it was sent, as a proxy in front of it may.
    await using server = await scriptedElasticsearch({
      "POST /_bulk": (request, n) =>
        n < 2 ? failure(503, "unavailable", `you sent ${request.headers.authorization}`) : bulkOk(request),
    });
    await watch(
      folder,
      "elasticsearch",
      ["--setup", "off", "--elasticsearch-url", server.url],
      () => server.requests.length,
    );
    assert(server.requests.some(({ headers }) => headers.authorization === `ApiKey ${ENCODED}`));
  },
  async webhook(folder) {
    await using receiver = await startReceiver(({ headers }, n) => ({
      status: n % 2 === 0 ? 400 : 500,
      body: `${headers.authorization} ${headers["x-key"]} ${MARKER} ${KEY}`,
    }));
    const url = `${receiver.url}?key=${MARKER}`;
    await watch(folder, "webhook", ["--webhook-url", url, "--webhook-allow-private"], () => receiver.requests.length);
    assert(receiver.requests.some(({ headers }) => headers.authorization === `Bearer ${MARKER}`));
  },
};

Deno.test("L5: every secret option is known to these tests", async () => {
  const targets = (await Promise.all(registry.map(targetsOf))).flat();
  const secrets = targets.flatMap(({ action }) => Object.values(action.options)).filter(({ secret }) => secret);
  assert.deepEqual([...new Set(secrets.map(({ flag }) => flag))].sort(), Object.keys(SECRETS).sort());
});

for (const sink of Object.keys(SINKS).filter((each) => each !== "redis")) {
  Deno.test(`L5, W44: no secret in the log, the answers and the files of a run into ${sink}`, () =>
    inFolder((folder) => (SETUPS[sink] ?? ((folder) => watch(folder, sink)))(folder)));
}

serviceTest(
  "L5, W44: no secret in the log, the answers and the files of a run into redis",
  ["redis"],
  () =>
    inFolder(async (folder) => {
      await using redis = await startRedis(["--requirepass", MARKER]);
      await watch(folder, "redis", ["--redis-url", `redis://:${MARKER}@127.0.0.1:${redis.port}`]);
      const wrong = `redis://someone:${MARKER}-2@127.0.0.1:${redis.port}`;
      const env = { ...ENV, BSKYINGEST_REDIS_PASSWORD: `${MARKER}-2` };
      const refused = ["jetstream", "--simulate", "-n", "5", "--sink", "redis", "--redis-url", wrong, ...DEBUG];
      const consume = ["consume", "--sink", "null", "--redis-url", wrong, ...DEBUG];
      for (const end of await Promise.all([run(folder, refused, env), run(folder, consume, env)])) {
        assert.equal(end.code, 2, end.stderr.join("\n"));
        assertCalm(end);
        assertNoSecret(folder, said(end));
      }
    }),
);

const FEW = ["-n", "5", "--json", ...DEBUG];
const URLS = {
  ELASTICSEARCH_URL: `http://me:${MARKER}@127.0.0.1:1`,
  REDIS_URL: `redis://:${MARKER}@127.0.0.1:1`,
  WEBHOOK_URL: SECRETS["webhook-url"]!,
  JETSTREAM_URL: `ws://me:${MARKER}@127.0.0.1:1/subscribe`,
};
const CREDENTIALS = { ...ENV, ...URLS, BSKYINGEST_ELASTICSEARCH_API_KEY: "" };

/** Every other command, and what it may end with: it is all the same what it does, if only it says something. */
const COMMANDS: readonly (readonly [readonly string[], Readonly<Record<string, string>>])[] = [
  ...["connector", "firehose", "labeler", "backfill"].map((each) => [[each, "--simulate", ...FEW], ENV] as const),
  [["consume", "--from-queue", "nothing", "--sink", "null", ...DEBUG], ENV],
  [["replay", "nothing.jsonl", ...DEBUG], CREDENTIALS],
  [["record", "jetstream", "--simulate", "--out", "x.rec", ...FEW], ENV],
  [["config", "show", ...DEBUG], CREDENTIALS],
  [["config", "show", "--json"], { ...CREDENTIALS, BSKYINGEST_ELASTICSEARCH_PASSWORD: MARKER }],
  [["doctor", "jetstream", "--simulate", "--sink", "webhook", ...DEBUG], CREDENTIALS],
  [["doctor", "consume", "--sink", "redis", "--json"], CREDENTIALS],
  [["elasticsearch", "status", ...DEBUG], CREDENTIALS],
  [["dead-letter", "retry", "--sink", "webhook", ...DEBUG], CREDENTIALS],
  [["cursor", "show", "--sink", "redis", ...DEBUG], CREDENTIALS],
  [["jetstream", "--listen-token", MARKER.slice(0, 12), "--listen", "0"], {}],
  [[
    "jetstream",
    "--webhook-secret",
    `${MARKER}!`,
    "--webhook-allow-private",
    "--sink",
    "webhook",
    "--webhook-url",
    URLS.WEBHOOK_URL,
  ], {}],
  [["jetstream", `--redis-pasword=${MARKER}`], {}],
  [["top", `http://me:${MARKER}@127.0.0.1:1`, "--json"], ENV],
];

Deno.test("L5: no secret is said by any other command, whatever becomes of it", async () => {
  const rest = [...COMMANDS];
  const worker = async () => {
    for (let next; (next = rest.pop());) {
      const [args, env] = next;
      await inFolder(async (folder) => {
        const end = await run(folder, args, env);
        assert(said(end).length > 0, args.join(" "));
        assertCalm(end);
        assertNoSecret(folder, said(end));
      });
    }
  };
  await Promise.all([worker(), worker(), worker()]);
});

Deno.test("L5: no secret is said of a bucket that is refused", () =>
  inFolder(async (folder) => {
    await using server = await scriptedS3(({ headers }) =>
      s3Failure(403, "AccessDenied", `<Sent>${headers.authorization}</Sent>`)
    );
    const endpoint = server.url.replace("//", `//me:${MARKER}@`);
    for (const url of [server.url, endpoint]) {
      const args = ["megastream", "--source", "s3", "--s3-bucket", "a-bucket", "--s3-endpoint", url, ...DEBUG];
      const end = await run(folder, args, ENV);
      assert.equal(end.code, 2, end.stderr.join("\n"));
      assertNoSecret(folder, said(end));
    }
  }));
