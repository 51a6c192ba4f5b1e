import { deepEqual, equal } from "node:assert/strict";
import { inFolder } from "../tests/support/temp.ts";
import { dependencies, row, table } from "./check_deps.ts";

Deno.test("the packages of a lock file: scoped names, peers, and which of them deno.json names", () => {
  const lock = {
    npm: { "@types/ws@8.18.2": {}, "undici-types@8.9.0": {}, "a@1.0.0_@b+c@2.0.0": {} },
    workspace: { dependencies: ["npm:@types/ws@8.18.2", "npm:a@1.0.0"] },
  };
  deepEqual(dependencies(lock), [
    { name: "@types/ws", version: "8.18.2", direct: true },
    { name: "undici-types", version: "8.9.0", direct: false },
    { name: "a", version: "1.0.0", direct: true },
  ]);
  deepEqual(dependencies({}), []);
});

Deno.test("licence and age come from the cache, of whichever registry; what is not there is a dash", () =>
  inFolder(async (cache) => {
    const folder = `${cache}/registry.example/@a/b`;
    await Deno.mkdir(`${folder}/1.0.0`, { recursive: true });
    await Deno.writeTextFile(`${folder}/1.0.0/package.json`, '{"license":"MIT"}');
    await Deno.writeTextFile(`${folder}/registry.json`, '{"time":{"1.0.0":"2026-01-01T12:00:00Z"}}');
    const now = Date.parse("2026-01-31T11:00:00Z");
    const of = (name: string, direct: boolean) => row(cache, { name, version: "1.0.0", direct }, now);
    deepEqual(await of("@a/b", true), ["@a/b", "1.0.0", "MIT", "2026-01-01", "29 days", "direct"]);
    deepEqual(await of("c", false), ["c", "1.0.0", "-", "-", "-", ""]);
  }));

Deno.test("the columns of the table are aligned", () => {
  equal(table([["a", "1.0", "MIT"], ["longer", "1", ""]]), "a       1.0  MIT\nlonger  1");
});
