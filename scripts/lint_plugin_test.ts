import { deepEqual, equal } from "node:assert/strict";
import plugin from "./lint_plugin.ts";

/** The short names of the rules that speak up about a file. */
function rules(path: string, source: string): string[] {
  const file = new URL(`../${path}`, import.meta.url).pathname;
  return Deno.lint.runPlugin(plugin, file, source).map((each) => each.id.replace("bskyingest/", ""));
}

const imports = (from: string, specifier: string) => rules(from, `import { x } from "${specifier}"; x();`);

Deno.test("layers: a module imports from its own folder and from below", () => {
  for (
    const [from, specifier] of [
      ["lib/pipeline/pipeline.ts", "./ledger.ts"],
      ["lib/pipeline/pipeline.ts", "../version.ts"],
      ["lib/atproto/event.ts", "../pipeline/errors.ts"],
      ["lib/sources/jetstream/reader.ts", "./url.ts"],
      ["lib/sources/jetstream/reader.ts", "../../net/websocket.ts"],
      ["lib/sinks/sqlite/open.ts", "../../state/lock.ts"],
      ["lib/simulate/server.ts", "../sinks/sqlite.ts"],
      ["cli/commands/x.ts", "../../lib/ops/server.ts"],
      ["mod.ts", "./lib/pipeline/pipeline.ts"],
      ["lib/net/websocket.ts", "ws"],
      ["lib/net/websocket.ts", "node:net"],
    ] as const
  ) deepEqual(imports(from, specifier), [], `${from} -> ${specifier}`);
});

Deno.test("layers: nothing imports from above or beside it", () => {
  for (
    const [from, specifier] of [
      ["lib/version.ts", "./pipeline/errors.ts"],
      ["lib/pipeline/pipeline.ts", "../atproto/event.ts"],
      ["lib/atproto/event.ts", "../net/websocket.ts"],
      ["lib/net/websocket.ts", "../sources/jetstream/jetstream.ts"],
      ["lib/sources/jetstream/reader.ts", "../../state/lock.ts"],
      ["lib/state/lock.ts", "../sinks/sqlite.ts"],
      ["lib/sinks/sqlite.ts", "../../cli/main.ts"],
      ["lib/ops/server.ts", "../simulate/server.ts"],
      ["cli/main.ts", "../mod.ts"],
      ["lib/sinks/sqlite.ts", "../../tests/support/temp.ts"],
      ["cli/main.ts", "../scripts/test.ts"],
    ] as const
  ) deepEqual(imports(from, specifier), ["layers"], `${from} -> ${specifier}`);
});

Deno.test("layers: exports and literal dynamic imports count, a folder that is in no layer is named", () => {
  deepEqual(rules("lib/pipeline/x.ts", 'export * from "../net/websocket.ts";'), ["layers"]);
  deepEqual(rules("lib/pipeline/x.ts", 'export { x } from "../net/websocket.ts";'), ["layers"]);
  deepEqual(rules("lib/pipeline/x.ts", 'await import("../net/websocket.ts");'), ["layers"]);
  deepEqual(rules("lib/pipeline/x.ts", "export const x = 1;"), []);
  deepEqual(imports("lib/unheard_of/x.ts", "../pipeline/errors.ts"), ["layers"]);
  deepEqual(imports("cli/main.ts", "../lib/unheard_of/x.ts"), ["layers"]);
});

Deno.test("layers: mod.ts loads cli by a dynamic import only", () => {
  deepEqual(rules("mod.ts", 'import { main } from "./cli/main.ts"; main();'), ["layers"]);
  deepEqual(rules("mod.ts", 'if (import.meta.main) await import("./cli/main.ts");'), []);
});

Deno.test("layers: tests and scripts import everything", () => {
  deepEqual(imports("lib/pipeline/ledger_test.ts", "../../tests/support/temp.ts"), []);
  deepEqual(imports("tests/e2e/x.ts", "../../cli/main.ts"), []);
  deepEqual(imports("scripts/bench/main.ts", "../../mod.ts"), []);
});

Deno.test("pure-pipeline: no Deno and no Node modules in lib/pipeline, its tests excepted", () => {
  deepEqual(rules("lib/pipeline/x.ts", 'Deno.readFileSync("x");'), ["pure-pipeline"]);
  deepEqual(imports("lib/pipeline/x.ts", "node:fs"), ["pure-pipeline"]);
  deepEqual(imports("lib/pipeline/x_test.ts", "node:assert/strict"), []);
  deepEqual(imports("lib/state/x.ts", "node:fs"), []);
});

Deno.test("no-console: outside cli, scripts and tests", () => {
  const source = 'console.log("x");';
  deepEqual(rules("lib/net/x.ts", source), ["no-console"]);
  deepEqual(rules("mod.ts", source), ["no-console"]);
  for (const path of ["cli/report.ts", "scripts/test.ts", "tests/e2e/x.ts", "lib/net/x_test.ts"]) {
    deepEqual(rules(path, source), [], path);
  }
});

Deno.test("no-exit: Deno.exit and process.exit anywhere, not Deno.exitCode", () => {
  deepEqual(rules("scripts/test.ts", "Deno.exit(1);"), ["no-exit"]);
  deepEqual(rules("cli/main.ts", "process.exit(1);"), ["no-exit"]);
  deepEqual(rules("cli/main.ts", "Deno.exitCode = 1;"), []);
});

Deno.test("no-default-export: everywhere but in the lint plugin", () => {
  deepEqual(rules("lib/net/x.ts", "export default 1;"), ["no-default-export"]);
  deepEqual(rules("lib/net/x.ts", "const x = 1; export { x as default };"), ["no-default-export"]);
  deepEqual(rules("scripts/lint_plugin.ts", "export default 1;"), []);
});

Deno.test("no-program: no processes, no foreign functions, no code that is made of text", () => {
  for (
    const bad of [
      'new Deno.Command("sh");',
      'Deno["Command"];',
      'Deno.dlopen("x", {});',
      'import { spawn } from "node:child_process"; spawn("sh");',
      'import vm from "node:vm"; vm.runInThisContext("1");',
      'new Function("return 1");',
      'Function("return 1");',
      'eval("1");',
      'globalThis.eval("1");',
      'new Worker("data:text/javascript,1");',
      "await import(name);",
      "await import(`./${name}.ts`);",
    ]
  ) {
    deepEqual(rules("lib/net/x.ts", bad), ["no-program"], bad);
    deepEqual(rules("cli/x.ts", bad), ["no-program"], bad);
    deepEqual(rules("tests/x.ts", bad), [], bad);
  }
  for (const good of ['await import("./y.ts");', 'db.exec("SELECT 1");', "evaluate();", "Deno.pid;"]) {
    deepEqual(rules("lib/net/x.ts", good), [], good);
  }
});

Deno.test("private-files: files are new, or made by lib/state/files.ts", () => {
  for (
    const bad of [
      "Deno.open(path, { write: true, create: true });",
      "Deno.open(path, { write: true, create });",
      "Deno.openSync(path, { append: true, create: true, mode: 0o600 });",
      "Deno.create(path);",
      "Deno.writeTextFileSync(path, text, { mode: 0o600 });",
      "Deno.writeFile(path, bytes);",
    ]
  ) {
    deepEqual(rules("lib/sinks/x.ts", bad), ["private-files"], bad);
    deepEqual(rules("lib/state/files.ts", bad), [], bad);
    deepEqual(rules("scripts/x.ts", bad), [], bad);
  }
  for (
    const good of [
      "Deno.open(path);",
      "Deno.open(path, { write: true, createNew: true, mode: 0o600 });",
      "Deno.writeFile(path, bytes, { createNew: true });",
      "Deno.writeFile(path, bytes, { create: false });",
      "openPrivate(path, { write: true, create: true });",
    ]
  ) deepEqual(rules("lib/sinks/x.ts", good), [], good);
});

Deno.test("error-message: a capital at the beginning, no full stop at the end", () => {
  const count = (expression: string) => rules("lib/net/x.ts", `throw ${expression};`).length;
  for (
    const good of [
      'new Error("Cannot read x: it is empty")',
      'new ConfigError("it must be a URL")',
      "new Error(`${x} is wrong`)",
      'new PoisonError("not_json", "Cannot parse x")',
      'new AggregateError(errors, "Cannot close")',
      'new TypeError("Still waiting...")',
      "new Error(text)",
      "new Error()",
      'new Map([["a.", 1]])',
    ]
  ) equal(count(good), 0, good);
  for (
    const bad of [
      'new Error("cannot read x")',
      'new Error("Cannot read x.")',
      "new Error(`cannot read ${x}`)",
      "new Error(`Cannot read ${x}.`)",
      'new PoisonError("not_json", "Cannot parse x.")',
      'new ConfigError(["cannot read x"])',
      'new Error(x ? "Cannot read x" : "cannot read y")',
    ]
  ) equal(count(bad), 1, bad);
});
