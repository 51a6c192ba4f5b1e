import assert from "node:assert/strict";
import { ConfigError } from "../pipeline/errors.ts";
import { replaceFile, writeTextAtomic } from "./atomic_file.ts";
import { inFolder } from "../../tests/support/temp.ts";

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a file is made and replaced, for its owner alone", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    for (const text of ["one", "two"]) {
      await writeTextAtomic(path, text);
      assert.equal(await Deno.readTextFile(path), text);
    }
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.deepEqual(names(folder), ["state.json"]);
  }));

Deno.test("a write that fails half way leaves the old file and nothing else", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await writeTextAtomic(path, "old");
    const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
    const failing = replaceFile(path, async (file) => {
      await file.write(new TextEncoder().encode("ne"));
      throw full;
    });
    await assert.rejects(failing, { name: "TransientError" });
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual(names(folder), ["state.json"]);
    await writeTextAtomic(path, "new");
    assert.equal(await Deno.readTextFile(path), "new");
  }));

Deno.test("what a killed process left is overwritten, and a planted symlink is never written through", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await Deno.writeTextFile(`${folder}/victim`, "untouched");
    await Deno.symlink(`${folder}/victim`, `${folder}/.state.json.tmp`);
    await writeTextAtomic(path, "new");
    assert.equal(await Deno.readTextFile(`${folder}/victim`), "untouched");
    await Deno.remove(path);
    await Deno.symlink(`${folder}/victim`, path);
    await Deno.chmod(folder, 0o1777);
    await assert.rejects(writeTextAtomic(path, "new"), ConfigError);
    assert.equal(await Deno.readTextFile(`${folder}/victim`), "untouched");
  }));

Deno.test("a user's own symlink stays a symlink", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/real.json`, "old");
    await Deno.symlink("real.json", `${folder}/state.json`);
    await writeTextAtomic(`${folder}/state.json`, "new");
    assert.equal(await Deno.readTextFile(`${folder}/real.json`), "new");
    assert.equal((await Deno.lstat(`${folder}/state.json`)).isSymlink, true);
  }));

Deno.test("a missing folder is a ConfigError that names the file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/no/state.json`;
    await assert.rejects(writeTextAtomic(path, "x"), (e: unknown) => {
      return e instanceof ConfigError && e.message === `Cannot write ${path}: no such file or folder`;
    });
  }));
