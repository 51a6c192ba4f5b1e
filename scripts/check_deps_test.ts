import { deepEqual, equal } from "node:assert/strict";
import { dependencies, table } from "./check_deps.ts";

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

Deno.test("the columns of the table are aligned", () => {
  equal(table([["a", "1.0", "MIT"], ["longer", "1", ""]]), "a       1.0  MIT\nlonger  1");
});
