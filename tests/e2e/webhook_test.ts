import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { loadEventLines } from "../../lib/simulate/events.ts";
import { type SimulateServer, startSimulate } from "../../lib/simulate/server.ts";
import { startCli } from "../support/child.ts";
import { assertCalm, assertMisuse, ended, run, summaryOf, until } from "../support/program.ts";
import { realTest } from "../support/real_data.ts";
import { eventsOf, type Receiver, startReceiver } from "../support/receiver.ts";
import { readBack } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

const SECRETS = [
  "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
  `whsec_${btoa("another secret of 32 characters!")}`,
];
const QUEUE = ".local/state/bskyingest/webhook/jetstream.db";

const E = ["expected_v1.jsonl"];
const linesOf = (file: string | undefined) => Deno.readTextFileSync(file!).trimEnd().split("\n");
const serveLines = (file: string | undefined) =>
  startSimulate({ kind: "legacy", events: loadEventLines(linesOf(file).join("\n")) });

/** Options of a run that reads `E` from the beginning. */
const reading = (server: SimulateServer, receiver: Receiver) => [
  "jetstream",
  "--url",
  `${server.jetstream}?cursor=1`,
  "--wire",
  "v1",
  "-c",
  "all",
  "--webhook-url",
  receiver.url,
  "--webhook-allow-private",
];

interface WebhookSummary {
  readonly webhook: { readonly delivered: number; readonly dead: number; readonly waiting: number };
}

realTest(
  "W1: 150 commits, a request each, bodies as they came, each account in order; the exit status is 0",
  E,
  ([file]) =>
    inFolder(async (folder) => {
      await using server = await serveLines(file);
      await using receiver = await startReceiver();
      const summary = await summaryOf(folder, [...reading(server, receiver), "-n", "150"]);
      assert.deepEqual([summary.sink, summary.written, summary.ended_by], ["webhook", 150, "count"]);
      assert.deepEqual((summary as unknown as WebhookSummary).webhook, { delivered: 150, dead: 0, waiting: 0 });
      const commits = linesOf(file).slice(0, 150);
      assert(receiver.requests.map(({ body }) => body).toSorted().join() === commits.toSorted().join(), "other bodies");
      const own = (did: string, all: readonly string[]) => all.filter((line) => line.includes(`{"did":"${did}"`));
      for (const did of new Set(receiver.requests.flatMap(eventsOf).map(({ did }) => did))) {
        assert.deepEqual(own(did, receiver.requests.map(({ body }) => body)), own(did, commits));
      }
      for (const { headers } of receiver.requests) {
        assert.deepEqual([headers.authorization, headers["webhook-signature"], headers["content-type"]], [
          undefined,
          undefined,
          "application/json",
        ]);
      }
    }),
);

realTest(
  "W2, W3: token and signatures, from the environment and a file; W23: kinds that are asked for",
  E,
  ([file]) =>
    inFolder(async (folder) => {
      await using server = await serveLines(file);
      await using receiver = await startReceiver();
      Deno.writeTextFileSync(`${folder}/secrets`, `${SECRETS.join(",")}\n`);
      const { url } = receiver;
      const args = reading(server, { ...receiver, url: "" }).filter((arg) => arg !== "--webhook-url" && arg !== "");
      const end = await run(
        folder,
        [...args, "-n", "152", "--kinds", "commit,identity,account", "--webhook-secret-file", "secrets"],
        { WEBHOOK_URL: url, WEBHOOK_BEARER_TOKEN: "the-token" },
      );
      assert.equal(end.code, 0, end.stderr.join("\n"));
      assert.equal(receiver.requests.length, 152);
      for (const { headers, body } of receiver.requests) {
        assert.equal(headers.authorization, "Bearer the-token");
        for (const secret of SECRETS) new Webhook(secret).verify(body, headers);
      }
      assert.doesNotMatch(end.stderr.join("\n"), /the-token|whsec_|MDEyMz/);
    }),
);

Deno.test("W18: private hosts are refused before anything is sent", () =>
  inFolder(async (folder) => {
    for (const host of ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0x7f.1", "169.254.169.254", "localhost"]) {
      const end = await run(folder, [
        "jetstream",
        "--simulate",
        "-n",
        "1",
        "--webhook-url",
        `https://${host}:9/hook?key=abc`,
      ]);
      assertMisuse(end, /^.*Cannot use webhook URL "https:\/\/[^"?]*": \S+ is a private address$/);
      assert.match(end.stderr.join("\n"), /--webhook-allow-private/);
    }
  }));

Deno.test("W22: options that cannot be used, and none of them is shown", () =>
  inFolder(async (folder) => {
    const cases: [args: string[], message: RegExp][] = [
      [["--webhook-header", "X: marker\r\nY: b"], /Cannot use webhook header "X"/],
      [["--webhook-header", "Host: marker"], /Cannot use webhook header "Host"/],
      [["--webhook-secret", `whsec_${btoa("marker-10b")}`], /Cannot use webhook secret/],
      [["--webhook-url", "https://marker:marker@receiver.example/"], /must not have a user or password/],
      [["--webhook-url", "ftp://marker.example/"], /must begin with https/],
      [["--webhook-retry-schedule", "5s,x"], /it must be durations/],
    ];
    for (const [args, message] of cases) {
      const url = args[0] === "--webhook-url" ? [] : ["--webhook-url", "http://127.0.0.1:9/"];
      const end = await run(folder, ["jetstream", "--simulate", "-n", "1", "--webhook-allow-private", ...url, ...args]);
      assertMisuse(end, message);
      assert.doesNotMatch(end.stderr.join("\n"), /marker/);
    }
    assertMisuse(await run(folder, ["jetstream", "--simulate", "--sink", "webhook"]), /--webhook-url is not set/);
  }));

Deno.test("W45: a finite run whose endpoint is down says how many events wait where; the next one delivers them", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 503);
    const args = ["--webhook-url", receiver.url, "--webhook-allow-private", "--webhook-retry-schedule", "100ms"];
    const down = await run(folder, ["jetstream", "--simulate", "-n", "20", ...args, "--webhook-drain-timeout", "2s"]);
    assert.equal(down.code, 1, down.stderr.join("\n"));
    assert.match(
      down.stderr.join("\n"),
      /Cannot deliver everything in 2 s: 20 events wait in \S+jetstream-simulate\.db/,
    );
    receiver.script = () => 200;
    const up = await run(folder, ["jetstream", "--simulate", "-n", "5", ...args]);
    assert.equal(up.code, 0, up.stderr.join("\n"));
    assert.equal(new Set(receiver.taken.map(({ id }) => id)).size, 25);
  }));

Deno.test("W46: SIGTERM with a full queue ends the run at once; the next one delivers the rest under the same ids", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver(() => 503);
    const args = ["jetstream", "--simulate", "--webhook-url", receiver.url, "--webhook-allow-private", "--json"];
    await using child = startCli(args, { cwd: folder });
    await until(() => receiver.requests.length > 0, "a request");
    const queue = `${folder}/.local/state/bskyingest/webhook/jetstream-simulate.db`;
    const sql = "SELECT ifnull(sum(events), 0) AS events FROM requests";
    await until(() => readBack<{ events: number }>(queue, sql)[0]!.events >= 1000, "a thousand events");
    child.kill();
    const end = await ended(child);
    assert.equal(end.code, 0, end.stderr.join("\n"));
    assertCalm(end);
    const { webhook: { waiting, delivered } } = JSON.parse(end.stdout[0]!) as WebhookSummary;
    assert(waiting >= 1000, `${waiting} wait`);
    assert.equal(delivered, 0);
    const tried = new Set(receiver.requests.map(({ id }) => id));
    receiver.script = () => 200;
    const next = await run(folder, [...args, "-n", "1", "--webhook-batch", "1"]);
    assert.equal(next.code, 0, next.stderr.join("\n"));
    const taken = new Set(receiver.taken.map(({ id }) => id));
    assert.equal(taken.size, waiting + 1);
    for (const id of tried) assert(taken.has(id));
  }));

Deno.test("W9: rejected events are dead, which is exit status 3; dead-letter retry delivers them with the same ids", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver((_, n) => n % 4 === 0 ? 422 : 200);
    const args = ["--webhook-url", receiver.url, "--webhook-allow-private"];
    const first = await run(folder, ["jetstream", "--simulate", "-n", "12", ...args, "--max-dead-ratio", "1"]);
    assert.equal(first.code, 3, first.stderr.join("\n"));
    const dead = receiver.requests.filter((request) => !receiver.taken.includes(request)).map(({ id }) => id);
    assert.equal(dead.length, 3);
    receiver.script = () => 200;
    const listed = await run(folder, ["dead-letter", "list", "--json"]);
    assert.deepEqual(listed.stdout.map((line) => JSON.parse(line).webhook_id).toSorted(), dead.toSorted());
    const retried = await run(folder, ["dead-letter", "retry", ...args]);
    assert.equal(retried.code, 0, retried.stderr.join("\n"));
    assert.equal((await run(folder, ["dead-letter", "list"])).stdout.length, 0);
    const second = await run(folder, ["jetstream", "--simulate", "-n", "1", ...args]);
    assert.equal(second.code, 0, second.stderr.join("\n"));
    const taken = receiver.taken.map(({ id }) => id);
    for (const id of dead) assert(taken.includes(id));
    assert.equal(taken.length, 13);
  }));

realTest("doctor looks at URL, address and connection, and POSTs nothing", E, ([file]) =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    await using server = await serveLines(file);
    const args = ["doctor", ...reading(server, receiver)];
    const good = await run(folder, args);
    assert.match(
      good.stdout.join("\n"),
      /ok +sink +webhook \(--webhook-url\): http:\/\/127\.0\.0\.1:\d+\/hook is at 127\.0\.0\.1/,
    );
    assert.equal(receiver.requests.length, 0);
    const bad = await run(folder, args.filter((arg) => arg !== "--webhook-allow-private"));
    assert.match(bad.stdout.join("\n"), /fail +sink .*is a private address/);
  }));

Deno.test("cursor shows the position in the queue file", () =>
  inFolder(async (folder) => {
    await using receiver = await startReceiver();
    const args = ["--webhook-url", receiver.url, "--webhook-allow-private"];
    await summaryOf(folder, ["jetstream", "--simulate", "-n", "3", "--state-key", "jetstream", ...args]);
    assert(Deno.statSync(`${folder}/${QUEUE}`).isFile);
    const { stdout } = await run(folder, ["cursor", "show", "--webhook-url", receiver.url]);
    assert.match(stdout.join("\n"), /^jetstream +\d{4}-/);
  }));
