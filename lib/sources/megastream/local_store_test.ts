import assert from "node:assert/strict";
import { inFolder } from "../../../tests/support/temp.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import { type FileStore, FileVanishedError, type ListedFile } from "./files.ts";
import { localStore } from "./local_store.ts";

const NEVER = { signal: new AbortController().signal };
const [A, B, C] = ["20251021_070000", "20251021_070500", "20251021_071000"].map((t) => `mega_jetstream_${t}.db.zip`);

const list = async (store: FileStore) => (await store.list(NEVER)).map(({ name }) => name);

Deno.test("regular files and symlinks to files that end in .db.zip are listed, by time, then by name", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/elsewhere`);
    await Deno.mkdir(`${folder}/folder.db.zip`);
    for (const name of [C!, A!, `.${B}`, "x.db", "x.zip", `${A}.part`, "y.DB.ZIP", "elsewhere/z"]) {
      await Deno.writeTextFile(`${folder}/${name}`, name);
    }
    await Deno.symlink("elsewhere/z", `${folder}/${B}`);
    await Deno.symlink("nowhere", `${folder}/broken.db.zip`);
    await Deno.symlink("elsewhere", `${folder}/linked.db.zip`);
    await using store = await localStore({ paths: [folder] });
    const listed = await store.list(NEVER);
    assert.deepEqual(listed.map(({ name }) => name), [A, B, C]);
    assert.deepEqual(listed.map(({ size }) => size), [A!.length, "elsewhere/z".length, C!.length]);
    assert.equal(listed[0]?.timeUs, Date.parse("2025-10-21T07:00:00Z") * 1000);
    assert.equal(store.place, folder);
    assert.equal(store.partOnly, undefined);
  }));

Deno.test("a name without a time has the time of its last change", () =>
  inFolder(async (folder) => {
    const modifiedMs = Date.parse("2025-10-21T07:01:00Z");
    for (const name of [A!, B!, "early.db.zip", "mega_jetstream_20251399_256199.db.zip"]) {
      await Deno.writeTextFile(`${folder}/${name}`, "");
      await Deno.utime(`${folder}/${name}`, new Date(modifiedMs), new Date(modifiedMs));
    }
    await using store = await localStore({ paths: [folder] });
    const [, early, wrong] = await store.list(NEVER);
    assert.deepEqual(early, { name: "early.db.zip", timeUs: modifiedMs * 1000, size: 0, modifiedMs });
    assert.equal(wrong?.timeUs, modifiedMs * 1000);
    assert.deepEqual(await list(store), [A, "early.db.zip", "mega_jetstream_20251399_256199.db.zip", B]);
  }));

Deno.test("folders are descended into on request, those that are symlinks or hidden are not", () =>
  inFolder(async (folder) => {
    for (const name of ["a/b", ".hidden", "real"]) await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    for (const name of [C!, `a/${B}`, `a/b/${A}`, `.hidden/${A}`, `real/${A}`]) {
      await Deno.writeTextFile(`${folder}/${name}`, "");
    }
    await Deno.symlink("real", `${folder}/link`);
    await using flat = await localStore({ paths: [folder] });
    await using deep = await localStore({ paths: [folder], recursive: true });
    assert.deepEqual(await list(flat), [C]);
    assert.deepEqual(await list(deep), [`a/b/${A}`, `real/${A}`, `a/${B}`, C]);
    await using linked = await localStore({ paths: [`${folder}/link`] });
    assert.deepEqual(await list(linked), [A]);
  }));

Deno.test("M4: a single file may have any name, and says nothing about others", () =>
  inFolder(async (folder) => {
    for (const name of ["posts", A!]) await Deno.writeTextFile(`${folder}/${name}`, name);
    await using store = await localStore({ paths: [`${folder}/posts`, `${folder}/${A}`] });
    assert.deepEqual((await list(store)).sort(), [A, "posts"]);
    assert.equal(store.partOnly, true);
    assert.equal(store.place, `${folder}/posts, ${folder}/${A}`);
    await Deno.remove(`${folder}/posts`);
    assert.deepEqual(await list(store), [A]);
  }));

Deno.test("a file that two paths lead to is listed once; two files with one name are refused", () =>
  inFolder(async (folder) => {
    for (const name of ["a", "b"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/a/${A}`, "");
    await using twice = await localStore({ paths: [`${folder}/a`, `${folder}/a/${A}`] });
    assert.deepEqual(await list(twice), [A]);
    await Deno.writeTextFile(`${folder}/b/${A}`, "");
    await using two = await localStore({ paths: [`${folder}/a`, `${folder}/b`] });
    await assert.rejects(list(two), {
      name: "ConfigError",
      message: `Cannot tell ${folder}/b/${A} from ${folder}/a/${A}: they have the same name`,
    });
  }));

Deno.test("a path that cannot be read is the user's fault at the start, and may come back later", () =>
  inFolder(async (folder) => {
    const message = `Cannot read ${folder}/no: no such file or folder`;
    await assert.rejects(localStore({ paths: [folder, `${folder}/no`] }), { name: "ConfigError", message });
    await assert.rejects(localStore({ paths: ["/dev/null"] }), ConfigError);
    await Deno.mkdir(`${folder}/no`);
    await Deno.writeTextFile(`${folder}/no/${A}`, "");
    await using store = await localStore({ paths: [`${folder}/no`] });
    await Deno.rename(`${folder}/no`, `${folder}/away`);
    await assert.rejects(list(store), { name: "TransientError", message });
    await Deno.rename(`${folder}/away`, `${folder}/no`);
    assert.deepEqual(await list(store), [A]);
  }));

Deno.test("a listed file is read where it lies, looked at and removed", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/${A}`, "123");
    await using store = await localStore({ paths: [folder] });
    const [file] = await store.list(NEVER);
    {
      await using local = await store.fetch(file!, NEVER);
      assert.equal(local.path, `${folder}/${A}`);
    }
    assert.equal(await Deno.readTextFile(`${folder}/${A}`), "123");
    assert.deepEqual(await store.look!(file!), file);
    await Deno.writeTextFile(`${folder}/${A}`, "4", { append: true });
    assert.equal((await store.look!(file!))?.size, 4);
    await store.remove!(file!);
    assert.equal(await store.look!(file!), undefined);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    const other: ListedFile = { ...file!, name: B! };
    await assert.rejects(store.fetch(other, NEVER), FileVanishedError);
  }));
