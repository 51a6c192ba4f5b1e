import assert from "node:assert/strict";
import { updateTables } from "../../cli/kit/readme.ts";
import { optionsOf } from "../../scripts/readme_options.ts";
import { ROOT } from "../support/paths.ts";

Deno.test("L12: the option tables of README.md equal the declarations", async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  assert.match(readme, /<!-- options:jetstream -->/);
  assert.equal(await updateTables(readme, optionsOf), readme, "run scripts/readme_options.ts");
});
