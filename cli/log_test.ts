import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { configureLog, recent } from "./log.ts";

const globals = { logLevel: "info", logFormat: "auto", logFile: undefined, quiet: false, verbose: false } as const;

/** What three messages look like on stderr. */
async function logged(
  changes: Partial<Parameters<typeof configureLog>[0]["globals"]>,
  isTerminal = false,
): Promise<string[]> {
  const lines: string[] = [];
  await using _log = await configureLog({
    globals: { ...globals, ...changes },
    stderr: (line) => lines.push(line),
    isTerminal,
  });
  const log = getLogger(["bskyingest", "sqlite"]);
  log.debug("Detail");
  log.info("Opened {path}", { path: "a b.db", rows: 5, note: "x y" });
  log.warn("Two\nlines \x1b[31m\u202e");
  return lines;
}

Deno.test("text: time, level, category, message and the properties that the message does not show", async () => {
  const [info, warning] = await logged({}, true);
  assert.match(info!, /^\d\d:\d\d:\d\d info sqlite: Opened a b\.db rows=5 note="x y"$/);
  assert.match(warning!, /^\d\d:\d\d:\d\d warning sqlite: Two\\nlines \\x1b\[31m\\u202e$/);
  assert.match((await logged({}))[0]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info sqlite: /);
});

Deno.test("json and logfmt are one record a line", async () => {
  const [json] = await logged({ logFormat: "json" });
  assert.equal(JSON.parse(json!).properties.rows, 5);
  const [logfmt] = await logged({ logFormat: "logfmt" });
  assert.match(logfmt!, /level=info logger=bskyingest\.sqlite .* rows=5/);
});

Deno.test("W28: warnings are kept for the operations server, newest first, whatever is logged; passwords are not", async () => {
  recent.clear();
  await logged({ logLevel: "off" });
  {
    await using _log = await configureLog({ globals, stderr: () => {}, isTerminal: false });
    getLogger(["bskyingest", "redis"]).error("Cannot reach {url}", { url: "redis://me:secret@host" });
  }
  assert.deepEqual(recent.list.map(({ level, category, message }) => [level, category, message]), [
    ["error", "redis", "Cannot reach redis://me:***@host"],
    ["warning", "sqlite", "Two\nlines \x1b[31m\u202e"],
  ]);
  recent.clear();
  assert.deepEqual(recent.list, []);
});

Deno.test("levels: --quiet keeps warnings, --verbose shows details, off is silent", async () => {
  assert.equal((await logged({ quiet: true })).length, 1);
  assert.equal((await logged({ verbose: true })).length, 3);
  assert.equal((await logged({ logLevel: "error" })).length, 0);
  assert.equal((await logged({ logLevel: "off", verbose: true })).length, 0);
});

Deno.test("L5: the log file is appended to, private, and without passwords", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const logFile = `${dir}/log`;
    for (const host of ["one", "two"]) {
      await using _log = await configureLog({ globals: { ...globals, logFile }, stderr: () => {}, isTerminal: true });
      getLogger(["bskyingest"]).info("Connecting to {url}", { url: `wss://me:marker@${host}/` });
    }
    const lines = (await Deno.readTextFile(logFile)).trimEnd().split("\n");
    assert.equal(lines.length, 2);
    assert.match(lines[1]!, /Z info bskyingest: Connecting to wss:\/\/me:\*\*\*@two\/$/);
    assert.equal((await Deno.stat(logFile)).mode! & 0o777, 0o600);
    await assert.rejects(configureLog({ globals: { ...globals, logFile: dir }, stderr: () => {}, isTerminal: true }), {
      name: "ConfigError",
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
