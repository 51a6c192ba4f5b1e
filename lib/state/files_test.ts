import assert from "node:assert/strict";
import { ConfigError, TransientError } from "../pipeline/errors.ts";
import { fileError, isCurrent, openPrivate, writeAll } from "./files.ts";

Deno.test("T15: what the user must mend is a ConfigError, what may pass is a TransientError, the rest a bug", async () => {
  const osError = (code: string) => Object.assign(new Error(`${code} happened`), { code });
  const denied = fileError("read", "/a", new Deno.errors.PermissionDenied("EACCES"));
  assert.ok(denied instanceof ConfigError);
  assert.equal(denied.message, "Cannot read /a: permission denied");
  assert.ok(fileError("read", "/a", new Deno.errors.NotCapable("Requires read access")) instanceof ConfigError);
  assert.ok(fileError("read", "/a", osError("EROFS")) instanceof ConfigError);
  const full = fileError("write", "/a", osError("ENOSPC"));
  assert.ok(full instanceof TransientError);
  assert.equal(full.message, "Cannot write /a: no space left on the device");
  assert.ok(fileError("write", "/a", osError("EIO")) instanceof TransientError);
  const bug = new TypeError("A bug");
  assert.equal(fileError("write", "/a", bug), bug);
  const folder = await Deno.open("/", { read: true, write: true }).catch((e) => fileError("open", "/", e));
  assert.equal((folder as Error).message, "Cannot open /: it is a folder");
});

Deno.test("writeAll goes on after a short write", async () => {
  const taken: number[] = [];
  await writeAll({
    write: (bytes) => {
      taken.push(bytes[0]!);
      return Promise.resolve(1);
    },
  }, Uint8Array.of(1, 2, 3));
  assert.deepEqual(taken, [1, 2, 3]);
});

Deno.test("a symlink in a folder of one's own is followed, in a folder for everybody it is refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.symlink(`${folder}/target`, `${folder}/link`);
    (await openPrivate(`${folder}/link`, { write: true, create: true })).close();
    assert.equal((await Deno.stat(`${folder}/target`)).mode! & 0o777, 0o600);
    await Deno.remove(`${folder}/target`);
    await Deno.chmod(folder, 0o1777);
    await assert.rejects(openPrivate(`${folder}/link`, { write: true, create: true }), ConfigError);
    await assert.rejects(Deno.lstat(`${folder}/target`), Deno.errors.NotFound);
    (await openPrivate(`${folder}/plain`, { write: true, create: true })).close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("isCurrent sees that a file was replaced or removed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a`;
    using file = await Deno.open(path, { write: true, create: true });
    assert.equal(await isCurrent(file, path), true);
    await Deno.rename(path, `${folder}/b`);
    assert.equal(await isCurrent(file, path), false);
    await Deno.writeTextFile(path, "");
    assert.equal(await isCurrent(file, path), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
