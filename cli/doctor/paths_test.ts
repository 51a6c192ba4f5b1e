import assert from "node:assert/strict";
import { inFolder } from "../../tests/support/temp.ts";
import { checkFolder } from "./paths.ts";

const EXT4 = 0xef53;
const disk = (type: number, mebibytes: number) => () =>
  Promise.resolve({ type, bsize: 4096, bavail: mebibytes * 2 ** 20 / 4096 });

Deno.test("T22: little space and network file systems are warned of", () =>
  inFolder(async (path) => {
    const folder = { path, made: false };
    const enough = await checkFolder(folder, disk(EXT4, 2048));
    assert.deepEqual(enough, { verdict: "ok", detail: `${path}: 2.0 GiB free` });
    const little = await checkFolder(folder, disk(EXT4, 1023));
    assert.deepEqual([little.verdict, little.detail], ["warn", `${path}: 1023 MiB free`]);
    const far = await checkFolder(folder, disk(0x6969, 2048));
    assert.deepEqual([far.verdict, far.detail], ["warn", `${path}: 2.0 GiB free, on a network file system (NFS)`]);
    const unknown = await checkFolder(folder, () => Promise.reject(new Error("Requires sys access")));
    assert.deepEqual(unknown, {
      verdict: "ok",
      detail: `${path} is writable; free space unknown: Requires sys access`,
    });
    assert.deepEqual([...Deno.readDirSync(path)], []);
  }));

Deno.test("a folder of ours that is missing is looked for above, and not made; one of the user's must be there", () =>
  inFolder(async (path) => {
    const made = await checkFolder({ path: `${path}/a/b`, made: true }, disk(EXT4, 2048));
    assert.deepEqual(made, { verdict: "ok", detail: `${path}/a/b, to be made in ${path}: 2.0 GiB free` });
    const named = await checkFolder({ path: `${path}/a`, made: false });
    assert.deepEqual([named.verdict, named.detail], ["fail", `${path}/a: there is no such folder`]);
    Deno.writeTextFileSync(`${path}/file`, "");
    const under = await checkFolder({ path: `${path}/file/b`, made: true });
    assert.deepEqual([under.verdict, under.detail], ["fail", `${path}/file/b: ${path}/file is not a folder`]);
    assert.deepEqual([...Deno.readDirSync(path)].map(({ name }) => name), ["file"]);
  }));
