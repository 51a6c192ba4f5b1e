import assert from "node:assert/strict";
import { ConfigError, LockHeldError } from "../pipeline/errors.ts";
import { ROOT } from "../../tests/support/paths.ts";
import { acquireLock } from "./lock.ts";

async function withPath(fn: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(`${folder}/state.json.lock`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("L8: the second one learns the first one's pid, host and command", () =>
  withPath(async (path) => {
    await using _lock = await acquireLock(path, { command: "jetstream" });
    await assert.rejects(acquireLock(path, { command: "cursor" }), (e: unknown) => {
      assert.ok(e instanceof LockHeldError);
      assert.match(
        e.message,
        new RegExp(`jetstream \\(pid ${Deno.pid} on ${Deno.hostname()}\\) holds it since \\d{4}-`),
      );
      return true;
    });
    const holder = JSON.parse(await Deno.readTextFile(path));
    assert.deepEqual(Object.keys(holder), ["pid", "host", "command", "started_at"]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  }));

Deno.test("a released lock is free, its file stays, releasing twice is harmless", () =>
  withPath(async (path) => {
    const first = await acquireLock(path, { command: "a" });
    await first[Symbol.asyncDispose]();
    await using second = await acquireLock(path, { command: "b" });
    await first[Symbol.asyncDispose]();
    assert.equal(JSON.parse(await Deno.readTextFile(path)).command, "b");
    await second[Symbol.asyncDispose]();
    assert.equal((await Deno.stat(path)).isFile, true);
  }));

Deno.test("T25: kill -9 leaves no stale lock", () =>
  withPath(async (path) => {
    const code = `import { acquireLock } from "${import.meta.resolve("./lock.ts")}";
      globalThis.held = await acquireLock(${JSON.stringify(path)}, { command: "child" });
      console.log("locked"); setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), { args: ["eval", code], cwd: ROOT, stdout: "piped" }).spawn();
    const output = child.stdout.getReader();
    assert.match(new TextDecoder().decode((await output.read()).value), /locked/);
    await assert.rejects(acquireLock(path, { command: "x" }), (e: unknown) => {
      return e instanceof LockHeldError && e.message.includes(`child (pid ${child.pid} on `);
    });
    child.kill("SIGKILL");
    await child.status;
    await output.cancel();
    await using _lock = await acquireLock(path, { command: "x" });
  }));

Deno.test("a lock that cannot be made is a ConfigError: no folder, a folder in its place, a planted symlink", () =>
  withPath(async (path, folder) => {
    await assert.rejects(acquireLock(`${folder}/no/lock`, { command: "x" }), ConfigError);
    await assert.rejects(acquireLock(folder, { command: "x" }), ConfigError);
    await Deno.writeTextFile(`${folder}/victim`, "untouched");
    await Deno.symlink(`${folder}/victim`, path);
    await Deno.chmod(folder, 0o1777);
    await assert.rejects(acquireLock(path, { command: "x" }), ConfigError);
    assert.equal(await Deno.readTextFile(`${folder}/victim`), "untouched");
  }));
