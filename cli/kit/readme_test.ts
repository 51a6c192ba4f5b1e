import assert from "node:assert/strict";
import { demoOptions } from "../../tests/support/demo_program.ts";
import { optionTable, updateTables } from "./readme.ts";

Deno.test("L12: a table has a row an option, with default and older names", () => {
  const table = optionTable(demoOptions);
  assert.equal(table.split("\n").length, 2 + Object.keys(demoOptions).length);
  assert(table.includes("| `--batch-size N` | `500` | `INGESTER_BATCH_SIZE` | Events of one write |"));
  assert(table.includes("| `--sink sqlite\\|ndjson\\|null` | `sqlite` |  | Where events go |"));
  assert(table.includes("| `--[no-]dedupe` | `on` |"));
});

Deno.test("L12: tables between markers are replaced, and a second time nothing changes", async () => {
  const readme = "a\n<!-- options:demo -->\nold\n<!-- /options -->\nb\n";
  const find = (name: string) => name === "demo" ? Promise.resolve(demoOptions) : Promise.reject(new Error(name));
  const updated = await updateTables(readme, find);
  assert(
    updated.startsWith("a\n<!-- options:demo -->\n\n| option |") && updated.endsWith("\n\n<!-- /options -->\nb\n"),
  );
  assert.equal(await updateTables(updated, find), updated);
});
