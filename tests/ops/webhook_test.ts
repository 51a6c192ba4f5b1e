import assert from "node:assert/strict";
import { ask, askJson, startWatched, untilIs } from "../support/ops.ts";
import { ended } from "../support/program.ts";
import { parsePrometheus, sumOf } from "../support/prometheus.ts";
import { inFolder } from "../support/temp.ts";

/** What a receiver answers. */
function startReceiver(status: () => number) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.body?.cancel();
    return new Response("its words", { status: status() });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/hook?key=`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A secret of every kind; `base64` is a part of what follows `whsec_`. */
const MARKERS = {
  token: "marker-listen-token",
  bearer: "marker-bearer",
  key: "marker-key",
  base64: "bWFya2VyLXNlY3JldC1vZi0yNC1ieXRlcw",
};

const ARGS = ["jetstream", "--simulate", "-c", "all", "--webhook-allow-private", "--webhook-allow-http"];
const ENV = {
  BSKYINGEST_LISTEN_TOKEN: MARKERS.token,
  WEBHOOK_BEARER_TOKEN: MARKERS.bearer,
  BSKYINGEST_WEBHOOK_SECRET: `whsec_${MARKERS.base64}==`,
};
const INIT = { headers: { authorization: `Bearer ${MARKERS.token}` } };

Deno.test("W40, W44: the webhook's figures and metrics; no secret in any answer, log or dead letter", () =>
  inFolder(async (folder) => {
    let answers = 0;
    await using receiver = startReceiver(() => ++answers === 5 ? 400 : 200);
    const args = [...ARGS, "--webhook-url", receiver.url + MARKERS.key];
    await using watched = await startWatched(folder, args, { token: false, env: ENV });
    const { details: { webhook, dead_lettered } } = await untilIs(
      () => askJson(`${watched.url}/stats`, INIT),
      ({ details }) => details.webhook !== undefined && details.dead_lettered > 0,
      "a dead letter",
    );
    assert.equal(dead_lettered, 1);
    assert.equal(webhook.endpoint, receiver.url.replace(/\?.*$/, ""));
    assert.deepEqual([webhook.state, webhook.breaker], ["active", "closed"]);
    const texts = [];
    for (const path of ["/metrics", "/stats", "/status", "/health", "/stats/html"]) {
      texts.push((await ask(watched.url + path, INIT)).text);
    }
    const metrics = parsePrometheus(texts[0]!);
    const of = (name: string) => metrics.get(`bskyingest_webhook_${name}`)!.samples;
    assert.deepEqual(of("requests_total").map(({ labels }) => labels.code), ["200", "400"]);
    const durations = of("request_duration_seconds");
    const count = durations.find(({ name }) => name.endsWith("_count"))!.value;
    assert.equal(count, sumOf(metrics, "bskyingest_webhook_requests_total"));
    assert.equal(durations.find(({ labels }) => labels.le === "+Inf")!.value, count);
    for (const name of ["queue_events", "queue_bytes", "queue_oldest_seconds", "parked_accounts"]) {
      assert.equal(of(name).length, 1, name);
    }
    assert.deepEqual([of("breaker_state")[0]!.value, of("endpoint_disabled")[0]!.value], [0, 0]);
    assert.equal(sumOf(metrics, "bskyingest_dead_letters_total"), 1);
    watched.child.kill("SIGTERM");
    const { code, stdout, stderr } = await ended(watched.child);
    assert.equal(code, 0, stderr.join("\n"));
    const letters = await Deno.readTextFile(`${folder}/.local/state/bskyingest/dead-letter/jetstream-simulate.ndjson`);
    const everything = [...texts, ...stdout, ...stderr, letters].join("\n");
    for (const [what, marker] of Object.entries(MARKERS)) assert(!everything.includes(marker), what);
  }));

Deno.test("W7, W41: a receiver that is gone: /readyz says so, /healthz stays well", () =>
  inFolder(async (folder) => {
    let answers = 0;
    await using receiver = startReceiver(() => ++answers > 20 ? 410 : 200);
    const args = [...ARGS, "--webhook-url", receiver.url];
    await using watched = await startWatched(folder, args, { token: false, env: ENV });
    const { text } = await untilIs(
      () => ask(`${watched.url}/readyz`),
      ({ text }) => text.includes("disabled"),
      "the end of the endpoint",
    );
    assert.match(text, /^the webhook's endpoint is disabled: /m);
    assert.equal((await ask(`${watched.url}/healthz`)).status, 200);
    const metrics = parsePrometheus((await ask(`${watched.url}/metrics`, INIT)).text);
    assert.equal(sumOf(metrics, "bskyingest_webhook_endpoint_disabled"), 1);
    const { webhook } = await askJson(`${watched.url}/status`, INIT);
    assert.equal(webhook.state, "disabled");
  }));
