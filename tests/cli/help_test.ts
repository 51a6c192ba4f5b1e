import assert from "node:assert/strict";
import { targetsOf } from "../../cli/kit/command.ts";
import { registry } from "../../cli/registry.ts";
import { VERSION } from "../../lib/version.ts";
import { runCli } from "../support/cli.ts";
import { ROOT } from "../support/paths.ts";

const DEMO = { entry: "tests/support/demo_program.ts" };

/** Runs and expects success and nothing on stderr. */
async function stdoutOf(args: readonly string[], options?: Parameters<typeof runCli>[1]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, options);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

Deno.test("L1: help of the program", async (t) => {
  for (const flag of ["-h", "--help"]) await t.assertSnapshot(await stdoutOf([flag]));
  assert.equal(await stdoutOf(["help"]), await stdoutOf(["--help"]));
});

for (const entry of registry) {
  Deno.test(`L1: help of ${entry.name}`, async (t) => {
    const paths = new Set([entry.name, ...(await targetsOf(entry)).map(({ path }) => path.join(" "))]);
    for (const path of paths) {
      for (const flag of ["-h", "--help"]) await t.assertSnapshot(await stdoutOf([...path.split(" "), flag]));
      assert.equal(await stdoutOf(["help", ...path.split(" ")]), await stdoutOf([...path.split(" "), "--help"]));
    }
  });
}

Deno.test("L1: help of a command with options of every type; asked for among faults it is still given", async (t) => {
  const full = await stdoutOf(["demo", "--help"], DEMO);
  await t.assertSnapshot(full);
  await t.assertSnapshot(await stdoutOf(["demo", "-h"], DEMO));
  assert.equal(await stdoutOf(["demo", "--batch-size", "x", "--nope", "--help"], DEMO), full);
});

Deno.test("help fits into 80 columns and is bold only when asked for", async () => {
  for (const args of [["--help"], ["demo", "--help"], ["config", "show", "--help"]]) {
    const text = await stdoutOf(args, DEMO);
    for (const line of text.split("\n")) assert(line.length <= 80, line);
    assert(!text.includes("\x1b"));
    assert((await stdoutOf([...args, "--color", "always"], DEMO)).includes("\x1b[1m"));
  }
});

Deno.test("no command: short help on stderr, exit status 2", async () => {
  const { code, stdout, stderr } = await runCli([]);
  assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: "", stderr: await stdoutOf(["-h"]) });
  assert.equal((await runCli(["config"])).code, 2);
});

Deno.test("--version names everything that it runs on", async () => {
  const expected = [
    `bskyingest ${VERSION}`,
    `deno ${Deno.version.deno}`,
    `v8 ${Deno.version.v8}`,
    "sqlite",
    `typescript ${Deno.version.typescript}`,
  ];
  for (const args of [["-V"], ["--version"], ["config", "--version"]]) {
    const lines = (await stdoutOf(args)).trimEnd().split("\n");
    assert.deepEqual(lines.map((line, i) => i === 3 ? line.replace(/ 3\.\d+\.\d+$/, "") : line), expected);
  }
});

Deno.test("lib/version.ts says what deno.json says", async () => {
  assert.equal(JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)).version, VERSION);
});

Deno.test("L1: help loads nothing heavy: only this project's files and node:util are imported statically", async () => {
  const names = registry.map(({ load }) => `cli/${/import\("\.\/(.*?)"\)/.exec(String(load))![1]}`);
  for (const entry of ["cli/main.ts", ...names]) {
    const outside = [...await staticImports(entry)].filter((specifier) => !specifier.startsWith("file:"));
    assert.deepEqual(outside.filter((specifier) => specifier !== "node:util"), [], entry);
  }
});

/** Everything that a module imports before it runs, by `deno info`. */
async function staticImports(entry: string): Promise<Set<string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", entry], cwd: ROOT }).output();
  interface Dependency {
    readonly code?: { readonly specifier: string };
    readonly isDynamic?: boolean;
  }
  const graph: { roots: string[]; modules: { specifier: string; dependencies?: Dependency[] }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    if (seen.has(specifier)) return;
    seen.add(specifier);
    for (
      const { code, isDynamic } of graph.modules.find((module) => module.specifier === specifier)?.dependencies ?? []
    ) {
      if (code !== undefined && !isDynamic) visit(code.specifier);
    }
  };
  graph.roots.forEach(visit);
  return seen;
}
