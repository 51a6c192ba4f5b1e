import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { startSimulate } from "../../lib/simulate/server.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { acquireLock } from "../../lib/state/lock.ts";
import { cliEnv } from "../support/cli.ts";
import { assertFinding, examine, findings } from "../support/doctor.ts";
import { ROOT } from "../support/paths.ts";
import { assertMisuse, filesIn, run, summaryOf } from "../support/program.ts";
import { diskTest } from "../support/small_disk.ts";
import { inFolder } from "../support/temp.ts";

const CLOSED = "ws://127.0.0.1:1/subscribe";
const HOUR_US = 3_600_000_000;

Deno.test("T22: all well: exit 0, before a run and after one, and no file is made or changed", () =>
  inFolder(async (folder) => {
    await using server = await startSimulate();
    const args = ["--url", server.jetstream];
    const host = new URL(server.jetstream).host;
    const before = await examine(folder, args);
    assert.deepEqual(before.names, [
      ...["runtime", "config", "paths state", "paths target", "paths temporary", "lock", "position"],
      ...[`dns ${host}`, `tls ${host}`, `handshake ${host}`, `window ${host}`, `wire ${host}`],
      ...["dictionary", "clock", "sink", "dead letter", "gaps"],
    ]);
    assert.deepEqual([before.of("fail"), before.of("skip")], [[], [`tls ${host}`, "dictionary"]]);
    assertFinding(before.get(`handshake ${host}`), "ok", /^connected within \d+ ms, wire v1$/);
    assertFinding(before.get("position"), "ok", /^none is saved: begins live$/);
    assert.deepEqual(filesIn(folder), []);

    await summaryOf(folder, ["jetstream", ...args, "-c", "all", "-n", "100"]);
    const files = filesIn(folder);
    const contents = () => files.map((name) => Deno.readFileSync(`${folder}/${name}`));
    const content = contents();
    const after = await examine(folder, ["jetstream", ...args]);
    assert.deepEqual(after.of("fail"), []);
    assertFinding(after.get("position"), "ok", /^begins at \d{4}-.*Z, 0\.0 h ago$/);
    assertFinding(after.get("sink"), "ok", /^sqlite \(the default\): \.\/bskyingest\.db is sound$/);
    assert.deepEqual(filesIn(folder), files);
    assert.deepEqual(contents(), content);
  }));

Deno.test("T22: for people: a line for each check, plain where nobody looks, coloured when asked", () =>
  inFolder(async (folder) => {
    const plain = await run(folder, ["doctor", "--url", CLOSED]);
    assert.equal(plain.code, 1);
    for (const line of plain.stdout) assert.match(line, /^(ok {2}|warn|fail|skip) {2}[a-z][a-z0-9.: ]+ {2}\S/);
    assert.match(plain.stdout[0]!, /^ok {4}runtime +Deno 2\./);
    assert.equal(new Set(plain.stdout.map((line) => /^.{6}(.*? {2,})/.exec(line)![1]!.length)).size, 1, "aligned");
    const colored = await run(folder, ["doctor", "--url", CLOSED, "--color", "always"]);
    // deno-lint-ignore no-control-regex
    assert(colored.stdout.every((line) => /^\x1b\[\d+m(ok {2}|warn|fail|skip)\x1b\[0m {2}/.test(line)));
  }));

Deno.test("T22: nobody listens, or a server refuses: its words, exit 1; with another that works only a warning", () =>
  inFolder(async (folder) => {
    const closed = await examine(folder, ["--url", CLOSED]);
    assert.deepEqual(closed.of("fail"), ["handshake 127.0.0.1:1"]);
    assertFinding(closed.get("handshake 127.0.0.1:1"), "fail", /ECONNREFUSED/);
    assert.equal(closed.get("clock").verdict, "skip");

    await using refusing = await startSimulate({ refuse: 503, refuseMessage: "bootstrap\r\nin \x1b[1mprogress" });
    const host = new URL(refusing.url).host;
    const refused = await examine(folder, ["--url", refusing.jetstream]);
    assert.deepEqual(refused.of("fail"), [`handshake ${host}`]);
    assert.match(refused.get(`handshake ${host}`).detail, /HTTP 503: bootstrap in \\u001b\[1mprogress$/);

    await using good = await startSimulate();
    const both = await examine(folder, ["-i", "ws://127.0.0.1:1", "-i", good.url.replace("http", "ws")]);
    assert.deepEqual(both.of("fail"), []);
    assertFinding(both.get("handshake 127.0.0.1:1"), "warn", /ECONNREFUSED/);
    assert.equal(both.get("handshake 127.0.0.1:1").hint, "The run goes on with another host");

    const nameless = await examine(folder, ["-i", "nowhere.invalid"]);
    assert.deepEqual(nameless.of("fail"), ["dns nowhere.invalid"]);
    assertFinding(nameless.get("handshake nowhere.invalid"), "skip", /^see dns nowhere\.invalid$/);
  }));

Deno.test("T22: a server without TLS where TLS is asked for fails", () =>
  inFolder(async (folder) => {
    using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const host = `127.0.0.1:${listener.addr.port}`;
    const closing = (async () => {
      for await (const conn of listener) conn.close();
    })();
    const { of } = await examine(folder, ["--url", `wss://${host}/subscribe`]);
    assert.deepEqual(of("fail"), [`tls ${host}`, `handshake ${host}`]);
    listener.close();
    await closing;
  }));

Deno.test("a wire that is asked for and not served", () =>
  inFolder(async (folder) => {
    await using legacy = await startSimulate({ kind: "legacy" });
    const host = new URL(legacy.url).host;
    const { of, get } = await examine(folder, ["-i", `ws://${host}`, "--wire", "v2"]);
    assert.deepEqual(of("fail"), [`handshake ${host}`]);
    assertFinding(get(`handshake ${host}`), "fail", /HTTP 404/);
    assertFinding(get(`wire ${host}`), "warn", /^v2 is not served here$/);
    const auto = await examine(folder, ["-i", `ws://${host}`]);
    assertFinding(auto.get(`wire ${host}`), "ok", /^v1 \(auto\)$/);
  }));

/** A server that shakes hands and leaves, and answers everything else with `answer`. */
function shyServer(answer: () => Response) {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    if (request.headers.get("upgrade") !== "websocket") return answer();
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => socket.close();
    return response;
  });
}

Deno.test("T22: clock 1 h off", () =>
  inFolder(async (folder) => {
    const date = () => new Date(Date.now() - 3_600_000).toUTCString();
    await using server = shyServer(() => new Response(null, { status: 426, headers: { date: date() } }));
    const { of, get } = await examine(folder, ["--url", `ws://127.0.0.1:${server.addr.port}/subscribe`]);
    assert.deepEqual(of("fail"), ["clock"]);
    assertFinding(get("clock"), "fail", /^60 min ahead of the nearest of 1 servers$/);
    assertFinding(get(`window 127.0.0.1:${server.addr.port}`), "skip", /did not tell$/);
  }));

Deno.test("no dictionary for --compress is worth a warning; one that was found is not kept", () =>
  inFolder(async (folder) => {
    await using shy = shyServer(() => new Response(null, { status: 404 }));
    const none = await examine(folder, ["-i", `ws://127.0.0.1:${shy.addr.port}`, "--wire", "v2", "--compress"]);
    assert.deepEqual(none.of("fail"), []);
    assertFinding(
      none.get("dictionary"),
      "warn",
      /^none to be had for the v2 wire of 127\.0\.0\.1:\d+: .* uncompressed$/,
    );

    await using server = await startSimulate();
    for (const args of [["--url", server.jetstreamV2], ["--simulate"]]) {
      const found = await examine(folder, [...args, "--compress"]);
      assertFinding(found.get("dictionary"), "ok", /^60081982 for the v[12] wire of /);
    }
    assert.deepEqual(filesIn(folder), []);

    Deno.writeTextFileSync(`${folder}/x.zdict`, "no dictionary");
    const { of } = await examine(folder, ["--simulate", "--compress", "--zstd-dictionary", "x.zdict"]);
    assert.deepEqual(of("fail"), ["config"]);
  }));

diskTest("T22: no space: target and state fail; a little: a warning", 4, async (folder) => {
  const args = ["--simulate", "--sink", "ndjson"];
  assertFinding((await examine(folder, args)).get("paths target"), "warn", /: [34] MiB free$/);
  Deno.writeFileSync(`${folder}/ballast`, new Uint8Array(4 * 2 ** 20));
  const { of, get } = await examine(folder, args);
  assert.deepEqual(of("fail"), ["paths state", "paths target"]);
  assertFinding(get("paths target"), "fail", /^Cannot write to \.: no space left on the device$/);
  assert.deepEqual(filesIn(folder), ["ballast"]);
});

Deno.test("T22: an unreadable position, in a state file and in the database", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/state.json`, "{");
    const file = await examine(folder, ["--simulate", "--sink", "ndjson", "--state-file", "state.json"]);
    assert.deepEqual(file.of("fail"), ["position"]);
    assertFinding(file.get("position"), "fail", /^Cannot read position from state\.json: the file is not JSON$/);
    assert.equal(Deno.readTextFileSync(`${folder}/state.json`), "{");

    await summaryOf(folder, ["jetstream", "--simulate", "-n", "10"]);
    using db = new DatabaseSync(`${folder}/bskyingest.db`);
    db.exec("UPDATE cursors SET cursor = 'yesterday'");
    const database = await examine(folder, ["--simulate"]);
    assert.deepEqual(database.of("fail"), ["position"]);
    assertFinding(database.get("position"), "fail", /^Cannot read the saved position: .*yesterday$/);
  }));

Deno.test("T22: a target that is no database, or a damaged one; a folder that is missing", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/notes.db`, "not a database ".repeat(100));
    const text = await examine(folder, ["--simulate", "--db", "notes.db"]);
    assert.deepEqual(text.of("fail"), ["position", "sink"]);
    assertFinding(text.get("sink"), "fail", /notes\.db: file is not a database/);
    assertFinding(text.get("gaps"), "skip", /^see sink$/);
    assert.deepEqual(filesIn(folder), ["notes.db"]);

    await summaryOf(folder, ["jetstream", "--simulate", "-c", "all", "-n", "2000"]);
    using file = Deno.openSync(`${folder}/bskyingest.db`, { write: true });
    file.seekSync(-200_000, Deno.SeekMode.End);
    file.writeSync(new Uint8Array(20_000).fill(0xff));
    assertFinding((await examine(folder, ["--simulate"])).get("sink"), "fail", /bskyingest\.db.*(damaged|malformed)/);

    const missing = await examine(folder, ["--simulate", "--sink", "ndjson", "--out", "no/likes.ndjson"]);
    assert.deepEqual(missing.of("fail"), ["paths target"]);
  }));

Deno.test("a database that another program has locked is fine, and so is an NDJSON file; a folder is not", () =>
  inFolder(async (folder) => {
    await summaryOf(folder, ["jetstream", "--simulate", "-n", "10"]);
    using db = new DatabaseSync(`${folder}/bskyingest.db`);
    db.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const locked = await examine(folder, ["--simulate"]);
    assert.deepEqual(locked.of("fail"), []);
    for (const name of ["position", "sink", "gaps"]) {
      assertFinding(locked.get(name), "skip", /^another program keeps the database locked/);
    }

    Deno.writeTextFileSync(`${folder}/x.ndjson`, "{}\n");
    const ndjson = (out: string) => examine(folder, ["--simulate", "--sink", "ndjson", "--out", out]);
    assertFinding((await ndjson("x.ndjson")).get("sink"), "ok", /^ndjson \(--sink\): x\.ndjson is writable$/);
    Deno.mkdirSync(`${folder}/folder`);
    assertFinding((await ndjson("folder")).get("sink"), "fail", /^Cannot write folder: it is a folder$/);
    const stdout = await examine(folder, ["--simulate", "--sink", "stdout"]);
    assert.deepEqual(stdout.of("fail"), []);
    assert.deepEqual(stdout.of("skip").slice(0, 2), ["lock", "position"]);
  }));

Deno.test("T22: permissions that are missing are named, and no check leaves a stack trace", () =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--cached-only", "--no-check", "--quiet", "--config", `${ROOT}/deno.json`],
        ...["--allow-env", "--allow-read", `${ROOT}/mod.ts`, "doctor", "--json", "-i", "ws://127.0.0.1:1"],
      ],
      cwd: folder,
      env: cliEnv(folder),
      clearEnv: true,
    }).output();
    const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").slice(0, -1);
    const { of, get } = findings({ code, stdout: lines(stdout), stderr: lines(stderr) });
    assert.deepEqual(of("fail"), ["runtime", "paths state", "paths target", "handshake 127.0.0.1:1"]);
    assert.equal(get("runtime").hint, `Add --allow-net=127.0.0.1:1 --allow-write=${folder}/.local/state/bskyingest,.`);
  }));

Deno.test("a lock that another run holds is warned of, with its holder", () =>
  inFolder(async (folder) => {
    await using _lock = await acquireLock(`${folder}/bskyingest.db.jetstream-simulate.lock`, { command: "jetstream" });
    const { get, of } = await examine(folder, ["--simulate"]);
    assert.deepEqual(of("fail"), []);
    assertFinding(get("lock"), "warn", new RegExp(`^jetstream \\(pid ${Deno.pid} on .*\\) holds \\./bskyingest\\.db`));
  }));

Deno.test("a position older than what the server has: what will be lost", () =>
  inFolder(async (folder) => {
    const now = Date.now() * 1000;
    await using server = await startSimulate({ epoch: now - HOUR_US });
    const state = { last_time_us: now - 5 * HOUR_US, updated_at: new Date().toISOString() };
    Deno.writeTextFileSync(`${folder}/state.json`, JSON.stringify(state));
    const store = ["--sink", "ndjson", "--state-file", "state.json"];
    for (const url of [server.jetstream, server.jetstreamV2]) {
      const { get, of } = await examine(folder, ["--url", url, ...store]);
      assert.deepEqual(of("fail"), []);
      assertFinding(get("position"), "warn", /no longer has the events from .*Z to .*Z \(4\.0 h\)$/);
      assertFinding(get(`window ${new URL(url).host}`), "ok", /^back to .*Z, 1\.0 h$/);
      const given = await examine(folder, ["--url", url, ...store, "--no-rewind"]);
      assertFinding(given.get("position"), "ok", /^not used: begins live$/);
      const rewind = await examine(folder, ["--url", url, ...store, "--max-rewind", "30"]);
      assertFinding(rewind.get("position"), "ok", /^begins at .*Z, 0\.5 h ago$/);
    }
    const far = new Date((now - 50 * HOUR_US) / 1000).toISOString();
    const unknown = await examine(folder, ["--url", CLOSED, "-s", far]);
    assertFinding(unknown.get("position"), "warn", /is 50\.0 h old: servers keep 24 to 36 h$/);
  }));

Deno.test("--race: the position of each host counts; one host is a fault", () =>
  inFolder(async (folder) => {
    const now = Date.now() * 1000;
    await using server = await startSimulate({ epoch: now - HOUR_US });
    const host = new URL(server.url).host;
    const at = (name: string, hours: number) =>
      JSON.stringify({ v: 1, host: name, wire: "v1", time_us: now - hours * HOUR_US });
    const cursors = { "jetstream:127.0.0.1:1": at("127.0.0.1:1", 0.5), [`jetstream:${host}`]: at(host, 3) };
    const state = { updated_at: new Date().toISOString(), cursors };
    Deno.writeTextFileSync(`${folder}/state.json`, JSON.stringify(state));
    const args = ["--race", "--sink", "ndjson", "--state-file", "state.json", "-i", `ws://${host}`];
    const both = await examine(folder, [...args, "-i", "ws://127.0.0.1:1"]);
    assert.deepEqual(both.of("fail"), []);
    assertFinding(both.get("position"), "warn", new RegExp(`^${host} no longer has .*\\(2\\.0 h\\)$`));
    assertFinding((await examine(folder, args)).get("config"), "fail", /^Cannot race with one host/);
  }));

Deno.test("handles that are wanted are resolved", () =>
  inFolder(async (folder) => {
    const bad = await examine(folder, ["--simulate", "-u", "not a handle"]);
    assert.deepEqual(bad.of("fail"), ["handles"]);
  }));

Deno.test("a wrong configuration file fails, its section of the command counts, older names are warned of", () =>
  inFolder(async (folder) => {
    const write = (text: string) => Deno.writeTextFileSync(`${folder}/bskyingest.toml`, text);
    write('[jetstream]\nsink = "ndjson"\nout = "likes.ndjson"\n');
    const good = await examine(folder, ["--simulate"]);
    assertFinding(good.get("config"), "ok", /^bskyingest\.toml$/);
    assert.match(good.get("sink").detail, /^ndjson \(by bskyingest\.toml:2\): likes\.ndjson will be made$/);
    for (
      const [text, words] of [["= 1", /^Cannot parse bskyingest\.toml:1/], ["[jetstream]\nnope = 1", /"nope"/]] as const
    ) {
      write(text);
      const { of, get } = await examine(folder, ["--simulate"]);
      assert.deepEqual(of("fail"), ["config"]);
      assert.match(get("config").detail, words);
    }
    write('db = "x.db"\nbatch-size = "many"\n');
    const wrong = await examine(folder, ["--simulate"]);
    assert.deepEqual([wrong.of("fail"), wrong.names], [["config"], ["runtime", "config"]]);

    const older = await examine(folder, ["--no-config"], { JETSTREAM_URL: CLOSED });
    assertFinding(older.get("config"), "warn", /older names are used$/);
    assert.equal(older.get("config").hint, "Better: BSKYINGEST_URL in place of JETSTREAM_URL");
    const refused = await examine(folder, ["--no-config", "-c", "*"]);
    assertFinding(refused.get("config"), "fail", /^Cannot use collection "\*"/);
  }));

Deno.test("open dead letters and gaps are warned of, with how to see them", () =>
  inFolder(async (folder) => {
    await using server = await startSimulate({ damage: 20 });
    await summaryOf(folder, ["jetstream", "--url", server.jetstream, "-c", "all", "-n", "30", "--sink", "ndjson"], 3);
    {
      using store = openGapStore(`${folder}/.local/state/bskyingest/gaps.db`);
      const gap = {
        source: "jetstream",
        host: "h",
        unit: "us",
        from: 1,
        to: 2,
        reason: "clamped",
        state: "open",
      } as const;
      await store.record("jetstream", [gap]);
    }
    const { get, of } = await examine(folder, ["--url", server.jetstream, "--sink", "ndjson"]);
    assert.deepEqual(of("fail"), []);
    assertFinding(get("dead letter"), "warn", /^1 open entries$/);
    assertFinding(get("gaps"), "warn", /^1 open$/);
    for (const name of ["dead letter", "gaps"]) {
      const [, ...args] = get(name).hint!.split(" ");
      const listed = await run(folder, args);
      assert.deepEqual([listed.code, listed.stdout.length], [0, 1]);
    }
    const full = await examine(folder, [
      "--url",
      server.jetstream,
      "--sink",
      "ndjson",
      "--dead-letter-max-bytes",
      "10",
    ]);
    assertFinding(full.get("dead letter"), "warn", /is full: a run would stop reading$/);
  }));

Deno.test("misuse of doctor itself: exit 2", () =>
  inFolder(async (folder) => {
    assertMisuse(
      await run(folder, ["doctor", "gaps"]),
      /^Cannot run "doctor gaps": no such subcommand, there are jetstream, firehose/,
    );
    assertMisuse(await run(folder, ["doctor", "--batch-size", "x"]), /^Cannot use --batch-size "x"/);
  }));
