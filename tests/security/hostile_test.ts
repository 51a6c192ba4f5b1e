import assert from "node:assert/strict";
import { PoisonError } from "../../lib/pipeline/errors.ts";
import { sqliteSink } from "../../lib/sinks/sqlite.ts";
import { openDeadLetter } from "../../lib/state/dead_letter.ts";
import { openGapStore } from "../../lib/state/gaps.ts";
import { assertCalm, type Ended, filesIn, rowsIn, run } from "../support/program.ts";
import { commitEvent, put } from "../support/sqlite.ts";
import { inFolder } from "../support/temp.ts";

/** What would clear the screen, ring, turn the text round, leave the folder, or become a part of a page. */
const HOSTILE = '\x1b[2J\x07\x9b31m\u202e../../../etc/passwd<script>alert(1)</script>"\r\nSet-Cookie: a=b';

/** Nothing but text and ends of lines. */
function assertPlain({ stdout, stderr }: Ended): void {
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch([...stdout, ...stderr].join("\n"), /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
}

/** Events that a hostile server could send, in a file. */
function hostileEvents(folder: string): string {
  const commit = { rev: HOSTILE, operation: "create", collection: HOSTILE, rkey: HOSTILE, cid: HOSTILE };
  const lines = [
    {
      did: `did:plc:${HOSTILE}`,
      time_us: 1,
      kind: "commit",
      commit: { ...commit, record: { text: HOSTILE, [HOSTILE]: HOSTILE } },
    },
    {
      did: "did:plc:a",
      time_us: 2,
      kind: "commit",
      commit: { ...commit, collection: "app.bsky.feed.post", record: {} },
    },
    { did: "did:plc:a", time_us: 3, kind: "identity", identity: { did: "did:plc:a", handle: HOSTILE } },
    { did: "did:plc:a", time_us: 4, kind: "commit", commit: { ...commit, operation: HOSTILE } },
  ];
  Deno.writeTextFileSync(`${folder}/hostile.jsonl`, lines.map((each) => `${JSON.stringify(each)}\n`).join(""));
  return "hostile.jsonl";
}

Deno.test("what events say neither steers the terminal nor names a file", () =>
  inFolder(async (folder) => {
    const file = hostileEvents(folder);
    const end = await run(folder, ["replay", file, "-c", "all", "--log-level", "debug", "--max-dead-ratio", "1"]);
    assertCalm(end);
    assertPlain(end);
    assert.match(end.stderr.join("\n"), /^\\u001b\[2J/m, "the collection is in the summary");
    const rows = rowsIn(`${folder}/bskyingest.db`);
    assert(rows >= 2);
    const state = ".local/state/bskyingest";
    const names = filesIn(folder).filter((name) => !/^bskyingest\.db|^hostile\.jsonl$/.test(name));
    for (const name of names) assert(name.startsWith(`${state}/`) && /^[\w./-]+$/.test(name), name);
    for (const command of [["list"], ["show", await firstLetter(folder)]]) {
      const shown = await run(folder, ["dead-letter", ...command]);
      assert.equal(shown.code, 0, shown.stderr.join("\n"));
      assertPlain({ ...shown, stdout: shown.stdout.map((line) => line.replaceAll("\t", " ")) });
    }
  }));

/** The id of the first dead letter. */
async function firstLetter(folder: string): Promise<string> {
  const { stdout } = await run(folder, ["dead-letter", "list", "--json"]);
  return JSON.parse(stdout[0]!).id;
}

Deno.test("what a server says when it refuses does not steer the terminal", () =>
  inFolder(async (folder) => {
    // "-t" is only a bound: all of them give up at once.
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
      new Response(HOSTILE, { status: 400 }));
    const host = `127.0.0.1:${server.addr.port}`;
    const ends = await Promise.all([
      run(folder, ["jetstream", "--url", `ws://${host}/subscribe`, "-t", "30", "--state-key", "a"]),
      run(folder, ["firehose", "--relay-hosts", `http://${host}`, "-t", "30", "--db", "b.db"]),
      run(folder, ["backfill", "--relay-hosts", `http://${host}`, "-t", "30", "--db", "c.db"]),
    ]);
    for (const end of ends) {
      assertCalm(end);
      assertPlain(end);
      assert.match(end.stderr.join("\n"), /\\(u001|x1)b\[2J/, "its words are there");
    }
  }));

Deno.test("gaps, positions and dead letters are listed as plain text, whatever a server called them", () =>
  inFolder(async (folder) => {
    const state = `${folder}/.local/state/bskyingest`;
    {
      using gaps = openGapStore(`${state}/gaps.db`);
      const gap = {
        source: "firehose",
        host: HOSTILE,
        unit: "seq",
        from: 1,
        to: 2,
        reason: HOSTILE,
        state: "open",
      } as const;
      await gaps.record("firehose", [{ ...gap, detail: HOSTILE }]);
      await using sink = await sqliteSink({ path: `${folder}/bskyingest.db` });
      await put(sink, [], { key: "backfill:a", cursor: HOSTILE });
      await Deno.mkdir(`${state}/dead-letter`);
      const path = `${state}/dead-letter/replay.ndjson`;
      const dead = await openDeadLetter({ path, command: "replay", key: "replay", maxBytes: 1e6 });
      const letter = { stage: "sink", item: commitEvent(1), error: new PoisonError("mapping", HOSTILE) };
      await dead.append([letter], { signal: new AbortController().signal });
    }
    for (const command of [["gaps", "list"], ["cursor", "show", "--verbose"], ["dead-letter", "list"]]) {
      const end = await run(folder, command);
      assert.equal(end.code, 0, end.stderr.join("\n"));
      assert(end.stdout.join().includes("passwd"), `${command}: ${end.stdout}`);
      assertPlain(end);
    }
  }));
