/**
 * Brings the option tables of README.md up to date; with `--check` only says whether they are.
 *
 * @module
 */
import { targetsOf } from "../cli/kit/command.ts";
import type { Options } from "../cli/kit/declaration.ts";
import { updateTables } from "../cli/kit/readme.ts";
import { globalOptions } from "../cli/options/global.ts";
import { registry } from "../cli/registry.ts";

/** The options of `global`, `jetstream`, `config show`. */
export async function optionsOf(name: string): Promise<Options> {
  if (name === "global") return globalOptions;
  const entry = registry.find((entry) => entry.name === name.split(" ")[0]);
  const target = entry && (await targetsOf(entry)).find(({ path }) => path.join(" ") === name);
  if (target === undefined) throw new Error(`Cannot make the table "options:${name}" of README.md: no such command`);
  return target.action.options;
}

if (import.meta.main) {
  const file = new URL("../README.md", import.meta.url);
  const before = await Deno.readTextFile(file);
  const after = await updateTables(before, optionsOf);
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(file, after);
  } else if (before !== after) {
    console.error("README.md: option tables are out of date, run scripts/readme_options.ts");
    Deno.exitCode = 1;
  }
}
