import assert from "node:assert/strict";
import { PROJECT_URL } from "../../lib/version.ts";
import { ROOT } from "../support/paths.ts";

const TEXT = Deno.readTextFileSync(`${ROOT}/SECURITY.md`);

Deno.test("SECURITY.md names tests that exist, and the project's own address", () => {
  const rows = TEXT.split("\n").filter((line) => /^\| (?!it tries|they try|-)/.test(line));
  assert(rows.length > 20);
  for (const row of rows) {
    const tests = [...row.split("|").at(-2)!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!);
    assert(tests.length > 0, row);
    for (const path of tests) {
      const info = Deno.statSync(`${ROOT}/${path}`);
      assert(info.isDirectory || path.endsWith("_test.ts"), path);
    }
  }
  assert(TEXT.includes(`${PROJECT_URL}/security/advisories/new`));
});
