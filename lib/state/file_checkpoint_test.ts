import assert from "node:assert/strict";
import { ConfigError } from "../pipeline/errors.ts";
import { fileCheckpoints } from "./file_checkpoint.ts";

async function withPath(fn: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(`${folder}/state.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const POSITION = `{"v":1,"host":"h","wire":"v1","time_us":1725911162329308,"seq":7,"recent":["abcdefgh"]}`;

Deno.test("a missing file means no position", () =>
  withPath(async (path) => {
    assert.equal(await fileCheckpoints(path, { format: "jetstream" }).load("jetstream"), undefined);
    assert.deepEqual(await fileCheckpoints(path, { format: "cursors" }).list(), []);
  }));

Deno.test("jetstream: the position is saved with what an older tool reads, and loads as it was", () =>
  withPath(async (path) => {
    await fileCheckpoints(path, { format: "jetstream" }).save("jetstream", POSITION);
    const value = JSON.parse(await Deno.readTextFile(path));
    assert.deepEqual(Object.keys(value), ["last_time_us", "updated_at", "cursor"]);
    assert.equal(value.last_time_us, 1725911162329308);
    assert.match(value.updated_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(value.cursor, JSON.parse(POSITION));
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal(await fileCheckpoints(path, { format: "jetstream" }).load("jetstream"), POSITION);
  }));

Deno.test("J40: an older tool's file loads as its microseconds, and a save keeps what it had", () =>
  withPath(async (path) => {
    await Deno.writeTextFile(path, `{\n  "last_time_us": 1725911162329308,\n  "updated_at": "2024-09-09T19:46:02Z"\n}`);
    const store = fileCheckpoints(path, { format: "jetstream", key: "likes" });
    assert.equal(await store.load("jetstream"), "1725911162329308");
    assert.deepEqual(await store.list(), [
      { key: "likes", cursor: "1725911162329308", state: "running", updated_at: "2024-09-09T19:46:02Z" },
    ]);
    await store.save("jetstream", "1725911162329309");
    assert.equal(JSON.parse(await Deno.readTextFile(path)).last_time_us, 1725911162329309);
  }));

Deno.test("jetstream: that the source came to its end is kept beside the cursor", () =>
  withPath(async (path) => {
    await fileCheckpoints(path, { format: "jetstream" }).save("k", POSITION, true);
    const [row] = await fileCheckpoints(path, { format: "jetstream" }).list();
    assert.equal(row?.state, "done");
    assert.equal(await fileCheckpoints(path, { format: "jetstream" }).ended?.("k"), true);
    await fileCheckpoints(path, { format: "jetstream" }).save("k", POSITION);
    assert.equal(JSON.parse(await Deno.readTextFile(path)).state, undefined);
    assert.equal(await fileCheckpoints(path, { format: "jetstream" }).ended?.("k"), false);
    await fileCheckpoints(path, { format: "jetstream" }).save("k", "1725911162329308", true);
    assert.equal(await fileCheckpoints(path, { format: "jetstream" }).ended?.("k"), true, "also of bare microseconds");
  }));

Deno.test("cursors: several keys, saved at once, each with its state", () =>
  withPath(async (path) => {
    const store = fileCheckpoints(path, { format: "cursors" });
    await Promise.all([
      store.save("b", "2"),
      store.save("a", "1", true),
      store.save("__proto__", "3"),
      store.save("b", "4"),
    ]);
    const again = fileCheckpoints(path, { format: "cursors" });
    assert.equal(await again.load("b"), "4");
    assert.equal(await again.load("c"), undefined);
    assert.deepEqual((await again.list()).map(({ key, cursor, state }) => [key, cursor, state]), [
      ["__proto__", "3", "running"],
      ["a", "1", "done"],
      ["b", "4", "running"],
    ]);
    const value = JSON.parse(await Deno.readTextFile(path));
    assert.deepEqual([value.cursors.a, value.done], ["1", ["a"]]);
  }));

Deno.test("clear forgets the keys that are there and answers them; without any position the file goes", () =>
  withPath(async (path) => {
    const store = fileCheckpoints(path, { format: "cursors" });
    await store.save("a", "1");
    await store.save("b", "2");
    assert.deepEqual((await store.clear(["a", "x"])).map(({ key }) => key), ["a"]);
    assert.deepEqual((await fileCheckpoints(path, { format: "cursors" }).list()).map(({ key }) => key), ["b"]);
    await store.clear(["b"]);
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    assert.deepEqual(await store.clear(["b"]), []);
  }));

const DAMAGED: readonly [string, "jetstream" | "cursors"][] = [
  ["", "jetstream"],
  [" \n", "cursors"],
  ["{", "jetstream"],
  ["[]", "jetstream"],
  ["null", "cursors"],
  ["{}", "jetstream"],
  ["{}", "cursors"],
  [`{"last_time_us":"1"}`, "jetstream"],
  [`{"last_time_us":-1}`, "jetstream"],
  [`{"last_time_us":1.5}`, "jetstream"],
  [`{"last_time_us":1,"cursor":"x"}`, "jetstream"],
  [`{"cursors":{"a":1}}`, "cursors"],
  [`{"cursors":{},"done":{}}`, "cursors"],
  [`{"last_time_us":1}`, "cursors"],
];

Deno.test("T15: a damaged file is refused by name and stays as it is", () =>
  withPath(async (path) => {
    for (const [text, format] of DAMAGED) {
      await Deno.writeTextFile(path, text);
      const store = fileCheckpoints(path, { format });
      const isClear = (e: unknown) =>
        e instanceof ConfigError && e.message.startsWith(`Cannot read position from ${path}: `);
      await assert.rejects(store.load("k"), isClear, text);
      await assert.rejects(store.save("k", POSITION), isClear, text);
      await assert.rejects(store.list(), isClear, text);
      assert.equal(await Deno.readTextFile(path), text);
    }
  }));

Deno.test("T15: a folder in place of the file is refused", () =>
  withPath(async (path) => {
    await Deno.mkdir(path);
    const store = fileCheckpoints(path, { format: "jetstream" });
    await assert.rejects(store.load("k"), {
      name: "ConfigError",
      message: `Cannot read position from ${path}: it is a folder`,
    });
  }));

Deno.test("T15: a file without permission to read is refused", { permissions: { read: false } }, async () => {
  await assert.rejects(fileCheckpoints("/state.json", { format: "jetstream" }).load("k"), ConfigError);
});

Deno.test("jetstream: positions of hosts that are read side by side lie beside the one, in any order of saves", async () => {
  await withPath(async (path) => {
    const store = fileCheckpoints(path, { format: "jetstream", key: "k" });
    await store.save("k:a.example:6008", '{"time_us":5}');
    assert.deepEqual(Object.keys(JSON.parse(await Deno.readTextFile(path))), ["updated_at", "cursors"]);
    assert.equal(await fileCheckpoints(path, { format: "jetstream", key: "k" }).load("k"), undefined);
    await store.save("k", '{"time_us":7}');
    const again = fileCheckpoints(path, { format: "jetstream", key: "k" });
    assert.deepEqual([await again.load("k"), await again.load("k:a.example:6008")], ['{"time_us":7}', '{"time_us":5}']);
    assert.deepEqual((await again.list()).map(({ key }) => key), ["k", "k:a.example:6008"]);
    await again.clear(["k"]);
    assert.deepEqual((await store.list()).length, 2, "what another store has read stays as it was read");
    assert.deepEqual((await fileCheckpoints(path, { format: "jetstream", key: "k" }).list()).length, 1);
  });
});
