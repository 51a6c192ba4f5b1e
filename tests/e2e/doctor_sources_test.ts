import assert from "node:assert/strict";
import { startSimulate } from "../../lib/simulate/server.ts";
import { errorFrame, infoFrame } from "../../lib/simulate/repos/messages.ts";
import { assertFinding, examine } from "../support/doctor.ts";
import { commits } from "../support/live_run.ts";
import { FIXTURES } from "../support/megastream.ts";
import { filesIn, run, summaryOf } from "../support/program.ts";
import { sharedRedis } from "../support/redis.ts";
import { type Dial, startScripted } from "../support/scripted_jetstream.ts";
import { serviceTest } from "../support/services.ts";
import { inFolder } from "../support/temp.ts";

const redis = sharedRedis();

const BEFORE = ["runtime", "config", "paths state", "paths target", "paths temporary", "lock", "position"];
const AFTER = ["sink", "dead letter", "gaps"];

Deno.test("T22: firehose, labeler and backfill: all well, before a run and after one, and nothing is made or changed", () =>
  inFolder(async (folder) => {
    for (
      const [command, checks] of [
        ["firehose", ["handshake", "window"]],
        ["labeler", ["handshake", "window"]],
        ["backfill", ["list"]],
      ] as const
    ) {
      const args = [command, "--simulate", "--db", `${command}.db`];
      const files = filesIn(folder);
      const before = await examine(folder, args);
      const ofHost = ["dns", "tls", ...checks].map((name) => `${name} simulate`);
      assert.deepEqual(before.names, [...BEFORE, ...ofHost, "clock", ...AFTER]);
      assert.deepEqual([before.of("fail"), before.of("warn"), before.of("skip")], [[], [], ["tls simulate"]]);
      assertFinding(before.get("position"), "ok", /^none is saved: begins /);
      assert.deepEqual(filesIn(folder), files);
      await summaryOf(folder, [...args, "-n", "30"]);
      const after = await examine(folder, args);
      assert.deepEqual(after.of("fail"), []);
      assert.deepEqual(
        after.get("sink").detail,
        `sqlite (--db): ${command}.db is sound`.replace("--db", "the default"),
      );
    }
  }));

/** `127.0.0.1:PORT` where nobody listens. */
function closedHost(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `127.0.0.1:${listener.addr.port}`;
}

Deno.test("T22: hosts that cannot be reached fail, each with its own words, although another one works", () =>
  inFolder(async (folder) => {
    await using good = await startSimulate({ accounts: 20 });
    await using refusing = await startSimulate({
      ...{ refuse: 403, refuseMessage: "not for you" },
      onHttp: () => ({ status: 403, body: "not for you" }),
    });
    const [host, refused] = [good, refusing].map(({ url }) => new URL(url).host);
    const closed = closedHost();
    const hosts = `${good.url},http://${closed},${refusing.url}`;
    for (
      const [command, option, check] of [
        ["firehose", "--relay-hosts", "handshake"],
        ["labeler", "--labeler-hosts", "handshake"],
        ["backfill", "--relay-hosts", "list"],
      ] as const
    ) {
      const { of, get } = await examine(folder, [command, option, hosts]);
      assert.deepEqual(of("fail"), [`${check} ${closed}`, `${check} ${refused}`]);
      assertFinding(get(`${check} ${host}`), "ok", /within \d+ ms$/);
      assertFinding(get(`${check} ${closed}`), "fail", /ECONNREFUSED|Connection refused/);
      assertFinding(get(`${check} ${refused}`), "fail", /HTTP 403: .*not for you/);
    }
    const nameless = await examine(folder, ["firehose", "--relay-hosts", "nowhere.invalid"]);
    assert.deepEqual(nameless.of("fail"), ["dns nowhere.invalid"]);
    assertFinding(nameless.get("handshake nowhere.invalid"), "skip", /^see dns nowhere\.invalid$/);
    const twice = await examine(folder, ["firehose", "--relay-hosts", "a.example,https://a.example"]);
    assert.deepEqual([twice.of("fail"), twice.names], [["config"], ["runtime", "config"]]);
  }));

Deno.test("T22: a relay's position: in its window, older, in its future, behind --until, unreadable", () =>
  inFolder(async (folder) => {
    const send = (dial: Dial) => {
      const { cursor = 61 } = dial;
      if (cursor > 60) dial.accept(errorFrame("FutureCursor", "Cursor in the future.")).close(1008);
      else if (cursor > 40) dial.accept(...commits(cursor + 1, 61));
      else dial.accept(infoFrame("OutdatedCursor"), ...commits(41, 61));
    };
    await using server = await startScripted({ onDial: send });
    const args = ["--relay-hosts", `ws://${server.host}`, "--sink", "ndjson", "--state-file", "state.json"];
    const key = `firehose_live:cursor:${server.host}`;
    const position = async (cursor: string, ...more: string[]) => {
      Deno.writeTextFileSync(`${folder}/state.json`, JSON.stringify({ updated_at: "", cursors: { [key]: cursor } }));
      const { get } = await examine(folder, ["firehose", ...args, ...more]);
      return get("position");
    };
    assertFinding(await position("50"), "ok", new RegExp(`^goes on behind 50 at ${server.host}$`));
    assertFinding(await position("9"), "warn", new RegExp(`^${server.host} no longer has 10 to 40$`));
    const future = await position("900");
    assertFinding(future, "fail", /has not come to 900 yet/);
    assert.match(future.hint!, /--on-future-cursor/);
    assertFinding(await position("900", "--on-future-cursor", "live"), "warn", /; begins live$/);
    assertFinding(await position("50", "--until", "40"), "ok", /^50: nothing is left up to 40$/);
    assertFinding(await position("900", "--cursor", "oldest"), "ok", /^begins with the oldest frame$/);
    assertFinding(await position("abc"), "fail", /^Cannot read cursor "abc"/);
    const { get } = await examine(folder, ["firehose", ...args, "--cursor", "live"]);
    assertFinding(get(`window ${server.host}`), "ok", /^back to 41, 2026-07-04T/);
  }));

Deno.test("T22: today's relays say nothing of a cursor that is too old, or in their future: their numbers tell", () =>
  inFolder(async (folder) => {
    await using relay = await startSimulate({ frames: commits(100, 200), quietCursors: true, rate: 1000 });
    const position = async (cursor: string) =>
      (await examine(folder, ["firehose", "--relay-hosts", relay.url, "--cursor", cursor])).get("position");
    assertFinding(await position("50"), "warn", /no longer has 51 to 99$/);
    assertFinding(await position("150"), "ok", /^goes on behind 150/);
  }));

Deno.test("T22: a list: where it goes on, and that there is nothing left of it", () =>
  inFolder(async (folder) => {
    const repos = Array.from(
      { length: 30 },
      (_, n) => ({ did: `did:web:r${n}.test`, head: "x", rev: "", active: true }),
    );
    await using server = await startSimulate({ repos });
    const args = ["backfill", "--relay-hosts", server.url];
    const position = async (...more: string[]) => (await examine(folder, [...args, ...more])).get("position");
    await summaryOf(folder, [...args, "-n", "10"]);
    assertFinding(await position(), "ok", /^goes on behind 10 at 127/);
    await summaryOf(folder, args);
    assertFinding(await position(), "ok", /was read to its end: nothing is left without --restart$/);
    assertFinding(await position("--restart"), "ok", /^not used: begins with the first page$/);
  }));

Deno.test("T22: open gaps of a relay are warned of", () =>
  inFolder(async (folder) => {
    await using server = await startScripted({
      onDial: (dial) => void dial.accept(infoFrame("OutdatedCursor"), ...commits(50, 60)),
    });
    const args = ["firehose", "--relay-hosts", `ws://${server.host}`, "--cursor", "9", "--until", "60"];
    await summaryOf(folder, args);
    assertFinding((await examine(folder, args)).get("gaps"), "warn", /^1 open$/);
  }));

Deno.test("T22: megastream: files, state file, folders", () =>
  inFolder(async (folder) => {
    const name = "mega_jetstream_20251021_065500.db.zip";
    Deno.mkdirSync(`${folder}/in`);
    const args = ["megastream", "--path", "in", "--max-dead-ratio", "1"];
    const empty = await examine(folder, args);
    assert.deepEqual(empty.names, [...BEFORE, "files", ...AFTER]);
    assertFinding(empty.get("files"), "warn", /^in: no \.db\.zip files$/);
    Deno.copyFileSync(`${FIXTURES}/${name}`, `${folder}/in/${name}`);
    assertFinding((await examine(folder, args)).get("files"), "ok", /^in: 1 files$/);
    await run(folder, args);
    assertFinding((await examine(folder, args)).get("position"), "ok", /^1 files are processed/);
    const missing = await examine(folder, ["megastream", "--path", "nowhere", "--temp-dir", "none"]);
    assert.deepEqual(missing.of("fail"), ["paths temporary", "files"]);
    Deno.writeTextFileSync(`${folder}/state.json`, "{");
    const broken = await examine(folder, [...args, "--state-file", "state.json"]);
    assert.deepEqual(broken.of("fail"), ["position"]);
    const nowhere = await examine(folder, ["megastream"]);
    assertFinding(nowhere.get("files"), "fail", /^Cannot look for files: no folder is named$/);
  }));

serviceTest(
  "T22: consume: server, streams and group; a firehose into Redis: its position there",
  ["redis"],
  async () => {
    await inFolder(async (folder) => {
      const url = ["--redis-url", redis().url];
      const consume = (...more: string[]) => examine(folder, ["consume", "--sink", "sqlite", ...url, ...more]);
      const none = await consume();
      assert.deepEqual(none.names, [...BEFORE.slice(0, -1), "stream firehose_live", ...AFTER]);
      assertFinding(none.get("stream firehose_live"), "warn", /^there is no stream firehose_live at .* yet/);
      assert.deepEqual(await redis().command("KEYS", "*"), []);

      await using server = await startSimulate({ frames: commits(1, 50) });
      const firehose = ["firehose", "--relay-hosts", server.url, "--sink", "redis", ...url];
      await summaryOf(folder, [...firehose, "--cursor", "oldest", "--until", "40"]);
      const { get } = await examine(folder, firehose);
      assertFinding(get("position"), "ok", /^goes on behind 40 at /);
      assertFinding(get("lock"), "skip", /^it is in Redis$/);

      assertFinding(
        (await consume()).get("stream firehose_live"),
        "ok",
        /: 40 entries, group bskyingest will be made$/,
      );
      await redis().command("XGROUP", "CREATE", "firehose_live", "other", "0");
      const deletes = await consume("--after-ack", "delete");
      assertFinding(deletes.get("stream firehose_live"), "fail", /^Cannot use --after-ack delete: group other reads/);
      await redis().command("XREADGROUP", "GROUP", "other", "me", "COUNT", "5", "STREAMS", "firehose_live", ">");
      await redis().command("XTRIM", "firehose_live", "MAXLEN", "10");
      assertFinding((await consume()).get("stream firehose_live"), "warn", /a group has missed 25 entries/);

      await redis().command("SET", "text", "x");
      assertFinding((await consume("--from-stream", "text")).get("stream text"), "fail", /the key holds a string$/);
      await redis().command(
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">pw",
        "~*",
        "+@read",
        "+@connection",
        "+info",
        "+cluster",
      );
      const reader = redis().url.replace("//", "//reader:pw@");
      const denied = await examine(folder, ["consume", "--sink", "sqlite", "--redis-url", reader]);
      assertFinding(denied.get("stream firehose_live"), "fail", /NOPERM/);
      await redis().command("ACL", "DELUSER", "reader");
      const unnamed = await examine(folder, ["consume", ...url]);
      assertFinding(unnamed.get("config"), "fail", /^Cannot tell where events go: --sink is not set$/);
    });
  },
);
