import { deepEqual } from "node:assert/strict";
import { inFolder } from "../../../tests/support/temp.ts";
import { countRows } from "./count_rows.ts";
import { databaseOf } from "./test_databases.ts";
import { FILE, OPTIONS, postRow, rowOf } from "./test_rows.ts";

const IDENTITY = JSON.stringify({ message: { kind: "identity" } });

Deno.test("rows between two positions are counted by what became of them; without a row to end at none is", () =>
  inFolder(async (folder) => {
    const path = `${folder}/x.db`;
    const post = (row: number) => postRow({ row: { row } });
    databaseOf(path, [post(1), rowOf("?", { row: 3 }), post(4), rowOf(IDENTITY, { row: 6 }), rowOf("?", { row: 9 })]);
    const { fileTimeUs, purgeAccounts } = OPTIONS;
    const between = async (after: string | undefined, upTo: string | undefined) => {
      const { rows, rejected, skipped } = await countRows({ path, name: FILE, fileTimeUs, purgeAccounts, after, upTo });
      return [rows, rejected, skipped];
    };
    deepEqual(await between(undefined, "6"), [4, 1, 1]);
    deepEqual(await between(undefined, "5"), [3, 1, 0]);
    deepEqual(await between("3", "9"), [3, 1, 1]);
    deepEqual(await between("1", "3"), [1, 1, 0]);
    Deno.removeSync(path); // what follows opens nothing
    for (const upTo of [undefined, "end", "3", "1"]) deepEqual(await between("3", upTo), [0, 0, 0]);
  }));
