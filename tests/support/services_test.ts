import { equal, match } from "node:assert/strict";
import { ROOT } from "./paths.ts";
import { tempFolder } from "./temp.ts";

/** Runs a test module with one test that needs the shells, where only the given commands are on the PATH. */
async function run(
  commands: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  using folder = tempFolder();
  for (const name of commands) Deno.writeTextFileSync(`${folder.path}/${name}`, "");
  const module = `import { serviceTest } from ${JSON.stringify(`file://${ROOT}/tests/support/services.ts`)};
    serviceTest("completes", ["shells"], () => {});`;
  Deno.writeTextFileSync(`${folder.path}/a_test.ts`, module);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--no-config", "a_test.ts"],
    cwd: folder.path,
    env: { BSKYINGEST_REQUIRE_SERVICES: "0", NO_COLOR: "1", ...env, PATH: folder.path },
    stderr: "null",
  }).output();
  return { code, text: new TextDecoder().decode(stdout) };
}

Deno.test("a test runs where its services are there", async () => {
  const { code, text } = await run(["zsh", "fish"], { BSKYINGEST_REQUIRE_SERVICES: "1" });
  match(text, /^completes \.\.\. ok/m);
  equal(code, 0);
});

Deno.test("a test whose service is missing is skipped, and its name says why", async () => {
  const { code, text } = await run(["zsh"]);
  match(text, /^completes \(skipped: fish is not installed: scripts\/services install shells\) \.\.\. ignored/m);
  equal(code, 0);
});

Deno.test("a test whose service is missing fails where services are required", async () => {
  const { code, text } = await run([], { BSKYINGEST_REQUIRE_SERVICES: "1" });
  match(text, /Cannot run this test: zsh is not installed/);
  equal(code, 1);
});
