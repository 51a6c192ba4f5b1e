import assert from "node:assert/strict";
import { startCli } from "../support/child.ts";
import {
  askedFor,
  assertMisuse,
  type Ended,
  ended,
  fileExists,
  filesIn,
  parseSummary,
  run,
  serve,
  summaryOf,
} from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("T2: simulated data never decides where a real run begins", async () => {
  using folder = tempFolder();
  await summaryOf(folder.path, ["jetstream", "--simulate", "-n", "100"]);
  await using server = await serve(folder.path, []);
  const end = await run(folder.path, ["jetstream", "--url", server.v1, "-n", "100", "--json"]);
  parseSummary(end);
  assert.deepEqual(askedFor(end), ["live"]);
});

Deno.test("T12: sinks in turn: each begins live, and resumes at its own position", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  for (const round of [1, 2]) {
    for (const sink of ["sqlite", "ndjson"]) {
      const end = await run(folder.path, ["jetstream", "--url", server.v1, "-n", "10", "--sink", sink, "--json"]);
      parseSummary(end);
      assert.match(askedFor(end).join(), round === 1 ? /^live$/ : /^from \d+$/, sink);
    }
  }
  const state = filesIn(`${folder.path}/.local/state/bskyingest`).filter((name) => name.endsWith(".json"));
  assert.deepEqual(state, ["jetstream-ndjson.json"]);
});

Deno.test("T13: --sink stdout and null begin live each time, with --state-key or --state-file they resume", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, []);
  for (const sink of ["stdout", "null"]) {
    const twice = async (...more: string[]) => {
      const args = ["jetstream", "--url", server.v1, "-n", "10", "--sink", sink, ...more];
      const [first, second] = [await run(folder.path, args), await run(folder.path, args)];
      assert.deepEqual([first.code, second.code], [0, 0]);
      return [...askedFor(first), ...askedFor(second)].map((asked) => asked.replace(/\d+/, "N"));
    };
    assert.deepEqual(await twice(), ["live", "live"]);
    assert.deepEqual(await twice("--state-key", "x"), ["live", "from N"]);
    assert.deepEqual(await twice("--state-file", `${sink}.json`), ["live", "from N"]);
    assert(fileExists(`${folder.path}/.local/state/bskyingest/x-${sink}.json`));
    assert(fileExists(`${folder.path}/${sink}.json`));
  }
});

Deno.test("T15, J40: a state file that is empty, broken or a folder: exit 2, and it stays as it is", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/state.json`;
  const args = ["jetstream", "--simulate", "-n", "10", "--sink", "ndjson", "--state-file", file];
  for (const text of ["", "{", "[]", '{"last_time_us":"x"}']) {
    Deno.writeTextFileSync(file, text);
    for (const more of [[], ["--dry-run"]]) {
      assertMisuse(await run(folder.path, [...args, ...more]), /^Cannot read position from .*state\.json: /);
    }
    assert.equal(Deno.readTextFileSync(file), text);
  }
  Deno.removeSync(file);
  Deno.mkdirSync(file);
  assertMisuse(await run(folder.path, args), /^Cannot read position from .*state\.json: it is a folder$/);
  Deno.removeSync(file);
  if (Deno.uid() !== 0) { // nothing is closed to root
    Deno.writeTextFileSync(file, '{"last_time_us":1}', { mode: 0o000 });
    assertMisuse(await run(folder.path, args), /^Cannot read position from .*state\.json: permission denied$/);
  }
  assert.equal(Deno.readTextFileSync(`${folder.path}/bskyingest.ndjson`), "");
});

Deno.test("J40: the older tool's state file is read, and goes on in our form", async () => {
  using folder = tempFolder();
  await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
  const file = `${folder.path}/state.json`;
  const at = Date.UTC(2026, 0, 1, 0, 1) * 1000;
  Deno.writeTextFileSync(file, JSON.stringify({ last_time_us: at, updated_at: "2026-01-01T00:01:00Z" }));
  const args = ["jetstream", "--url", server.v1, "-c", "all", "-n", "20000", "--sink", "null", "--state-file", file];
  const end = await run(folder.path, [...args, "--json"]);
  parseSummary(end);
  assert.deepEqual(askedFor(end), [`from ${at - 5e6}`]);
  assert(JSON.parse(Deno.readTextFileSync(file)).last_time_us > at);
});

/** The lines of `cursor show --json`. */
function positionsOf({ code, stdout }: Ended) {
  assert.equal(code, 0);
  return stdout.map((line) => JSON.parse(line));
}

for (const store of [[], ["--sink", "ndjson"]]) {
  Deno.test(`T21: cursor show, set and clear ${store.join(" ") || "in a database"}`, async () => {
    using folder = tempFolder();
    await using server = await serve(folder.path, ["--epoch", "2026-01-01"]);
    const cursor = (...args: string[]) => run(folder.path, ["cursor", ...args, ...store]);
    assert.deepEqual(positionsOf(await cursor("show", "--json")), []);
    assertMisuse(await cursor("set", "jetstream", "1"), /^Cannot find position "jetstream" in .*: there is none$/);

    const ingest = ["jetstream", "--url", server.v1, "-c", "all", "-n", "10", ...store];
    const { cursor: saved } = await summaryOf(folder.path, [...ingest, "--cursor", "1"]);
    const [position, ...others] = positionsOf(await cursor("show", "--json"));
    assert.equal(others.length, 0);
    const { key, host, wire, seq, time } = position;
    assert.deepEqual({ key, host, wire, seq, time }, {
      key: "jetstream",
      host: server.host,
      wire: "v1",
      seq: 10,
      time: "2026-01-01T00:00:00.005Z",
    });
    assert.deepEqual({ ...JSON.parse(position.cursor), recent: 0, recent_since: 0 }, {
      ...saved as object,
      recent: 0,
      recent_since: 0,
    });
    const [line] = (await cursor("show")).stdout;
    assert.match(
      line!,
      /^jetstream {2}2026-01-01T00:00:00\.005Z \(\d+ days ago\) {2}127\.0\.0\.1:\d+ v1 {2}seq 10 {2}/,
    );

    assert.match((await cursor("set", "jetstream", "500")).stderr.join(), /: was .*"seq":10.*, is .*"seq":500/);
    const end = await run(folder.path, [...ingest, "--json"]);
    parseSummary(end);
    assert.deepEqual(askedFor(end), ["from 500"]);

    assert.equal((await cursor("set", "jetstream", position.cursor)).code, 0);
    assert.equal(positionsOf(await cursor("show", "--json"))[0].seq, 10);
    assertMisuse(await cursor("set", "jetstream", "1.5"), /^Cannot /);
    assertMisuse(await cursor("set", "nobody", "5"), /^Cannot find position "nobody" in .*: there are jetstream$/);
    assertMisuse(await cursor("clear", "nobody"), /^Cannot find position "nobody"/);
    assertMisuse(await cursor("clear"), /^Cannot clear: name positions, or say --all$/);
    assert.equal(positionsOf(await cursor("show", "--json"))[0].seq, 10, "nothing that failed changed anything");

    assert.match((await cursor("clear", "jetstream")).stderr.join(), /: was .*"seq":10.*, is none$/);
    assert.deepEqual(positionsOf(await cursor("show", "--json")), []);
  });

  Deno.test(
    `T21: while a run holds a position ${store.join(" ") || "in a database"}, it can be looked at but not changed`,
    async () => {
      using folder = tempFolder();
      await using server = await serve(folder.path, ["--rate", "1000"]);
      const ingest = ["jetstream", "--url", server.v1, "-c", "all", ...store];
      await summaryOf(folder.path, [...ingest, "-n", "10"]);
      await using running = startCli([...ingest, "--json"], { cwd: folder.path });
      await running.stderr.waitFor("Connected to");
      for (const args of [["set", "jetstream", "5"], ["clear", "jetstream"], ["clear", "--all"]]) {
        const end = await run(folder.path, ["cursor", ...args, ...store]);
        assert.equal(end.code, 75);
        assert.match(end.stderr.join("\n"), new RegExp(`pid ${running.pid} on `));
      }
      assert.equal(positionsOf(await run(folder.path, ["cursor", "show", "--json", ...store])).length, 1);
      running.kill();
      assert.equal(parseSummary(await ended(running)).ended_by, "signal");
    },
  );
}

Deno.test("T21: a store that keeps no position, or is not there, is said to be so", async () => {
  using folder = tempFolder();
  assertMisuse(
    await run(folder.path, ["cursor", "show", "--sink", "null"]),
    /^Cannot look up positions of --sink null: /,
  );
  const { code, stdout, stderr } = await run(folder.path, ["cursor", "show"]);
  assert.deepEqual([code, stdout, stderr], [0, [], ["No saved positions in ./bskyingest.db"]]);
  assert.deepEqual(filesIn(folder.path), []);
});
