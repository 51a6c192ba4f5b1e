import assert from "node:assert/strict";
import { ConfigError } from "../pipeline/errors.ts";
import { cacheFolder, checkStateKey, databaseLock, deadLetterFile, gapsFile, makeFolder } from "./paths.ts";
import { stateFile, stateFolder, stateLock } from "./paths.ts";

const env = (values: Record<string, string>) => (name: string) => values[name];

Deno.test("T24: the state folder follows XDG_STATE_HOME, else HOME, else the working directory", () => {
  assert.equal(stateFolder(env({ XDG_STATE_HOME: "/x", HOME: "/h" })), "/x/bskyingest");
  assert.equal(stateFolder(env({ HOME: "/h" })), "/h/.local/state/bskyingest");
  assert.equal(stateFolder(env({ XDG_STATE_HOME: "", HOME: "/h" })), "/h/.local/state/bskyingest");
  assert.equal(stateFolder(env({})), ".bskyingest");
  assert.equal(cacheFolder(env({ XDG_CACHE_HOME: "/c", HOME: "/h" })), "/c/bskyingest");
  assert.equal(cacheFolder(env({ HOME: "/h" })), "/h/.cache/bskyingest");
  assert.equal(cacheFolder(env({ HOME: "" })), ".bskyingest");
});

Deno.test("a relative folder in the environment is refused by name", () => {
  const isClear = (e: unknown) => e instanceof ConfigError && /^Cannot use XDG_STATE_HOME "state": /.test(e.message);
  assert.throws(() => stateFolder(env({ XDG_STATE_HOME: "state" })), isClear);
  assert.throws(() => cacheFolder(env({ HOME: "." })), /Cannot use HOME "\.": it must be an absolute path/);
});

Deno.test("T24: a state folder that cannot be made is named", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/file`;
    await Deno.writeTextFile(file, "");
    await assert.rejects(makeFolder(`${file}/bskyingest`), (e: unknown) => {
      return e instanceof ConfigError && e.message.startsWith(`Cannot keep state in ${file}/bskyingest: `);
    });
    await makeFolder(`${folder}/a/b`);
    assert.equal((await Deno.stat(`${folder}/a/b`)).mode! & 0o777, 0o700);
    assert.deepEqual([...Deno.readDirSync(`${folder}/a/b`)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a state key is a safe part of a file name", () => {
  for (const key of ["jetstream", "a", "7.x_y-z", "a".repeat(64)]) assert.equal(checkStateKey(key), key);
  for (const key of ["", ".", "..", ".a", "-a", "a/b", "a b", "ä", "a\n", "a".repeat(65)]) {
    assert.throws(() => checkStateKey(key), ConfigError, key);
  }
});

Deno.test("the files of a state key", () => {
  assert.equal(stateFile("/s", "k", "ndjson"), "/s/k-ndjson.json");
  assert.equal(stateLock("/s/k-ndjson.json"), "/s/k-ndjson.json.lock");
  assert.equal(databaseLock("./a.db", "k"), "./a.db.k.lock");
  assert.equal(deadLetterFile("/s", "k"), "/s/dead-letter/k.ndjson");
  assert.equal(gapsFile("/s"), "/s/gaps.db");
});
