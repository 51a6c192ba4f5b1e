import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { diskTest } from "../../../tests/support/small_disk.ts";
import { inFolder } from "../../../tests/support/temp.ts";
import { ConfigError, TransientError } from "../../pipeline/errors.ts";
import { tempFiles } from "./temp_files.ts";

const namesIn = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  return child.pid;
}

Deno.test("A temporary file is private, tells its owner, and goes with what SQLite has put beside it", () =>
  inFolder(async (folder) => {
    const files = await tempFiles(folder);
    {
      await using file = await files.make(".db");
      const [name, ...others] = namesIn(folder);
      deepEqual(others, []);
      match(name!, new RegExp(`^bskyingest-mega-${Deno.pid}-[0-9a-f]{32}\\.db$`));
      equal(file.path, join(folder, name!));
      equal(Deno.statSync(file.path).mode! & 0o777, 0o600);
      Deno.writeTextFileSync(`${file.path}-wal`, "");
    }
    deepEqual(namesIn(folder), []);
  }));

Deno.test("A temporary file can be emptied and written again", () =>
  inFolder(async (folder) => {
    await using file = await (await tempFiles(folder)).make(".zip");
    await file.write(new Uint8Array(100_000));
    equal(file.size, 100_000);
    await file.clear();
    equal(file.size, 0);
    await file.write(new TextEncoder().encode("again"));
    file.close();
    equal(Deno.readTextFileSync(file.path), "again");
  }));

Deno.test("Files of processes that are gone are removed, others stay", () =>
  inFolder(async (folder) => {
    const mine = await (await tempFiles(folder)).make(".db");
    const stay = [`bskyingest-mega-${Deno.ppid}-0a.db`, "bskyingest-mega-x.db", "other-1-0a.db"];
    const go = [
      `bskyingest-mega-${await deadPid()}-0a.zip`,
      `bskyingest-mega-${await deadPid()}-0a.db-wal`,
      // Of an earlier process with the number of this one, as in a container.
      `bskyingest-mega-${Deno.pid}-0a.db`,
    ];
    for (const name of [...stay, ...go]) Deno.writeTextFileSync(join(folder, name), "");
    await tempFiles(folder);
    deepEqual(
      namesIn(folder).map((name) => join(folder, name)),
      [...stay.map((n) => join(folder, n)), mine.path].sort(),
    );
    await mine[Symbol.asyncDispose]();
  }));

Deno.test("A folder that cannot be used is told at the start", () =>
  inFolder(async (folder) => {
    await rejects(tempFiles(join(folder, "missing")), ConfigError);
    Deno.writeTextFileSync(join(folder, "file"), "");
    await rejects(tempFiles(join(folder, "file")), ConfigError);
  }));

Deno.test("A folder that vanishes later is nobody's fault", () =>
  inFolder(async (folder) => {
    const files = await tempFiles(folder);
    Deno.renameSync(folder, `${folder}-moved`);
    try {
      await rejects(files.make(".db"), TransientError);
    } finally {
      Deno.renameSync(`${folder}-moved`, folder);
    }
  }));

diskTest("A full disk is told at the start, and waited for later", 1, async (disk) => {
  const files = await tempFiles(disk);
  {
    await using file = await files.make(".db");
    await rejects(file.write(new Uint8Array(2 * 1024 * 1024)), (error) => {
      ok(error instanceof TransientError);
      match(error.message, /no space left on the device$/);
      return true;
    });
    await rejects(tempFiles(disk), (error) => error instanceof ConfigError && /--temp-dir/.test(error.hint ?? ""));
  }
  await using file = await files.make(".db");
  await file.write(new Uint8Array(1000));
  equal(file.size, 1000);
});
