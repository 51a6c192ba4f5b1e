import { equal, match } from "node:assert/strict";
import { ROOT } from "./paths.ts";
import { tempFolder } from "./temp.ts";

/** Runs a test module with one test that needs the shells or another service, where only the given commands are on the PATH. */
async function run(
  commands: readonly string[],
  env: Record<string, string> = {},
  needs = "shells",
): Promise<{ code: number; text: string }> {
  using folder = tempFolder();
  for (const name of commands) Deno.writeTextFileSync(`${folder.path}/${name}`, "");
  const module = `import { serviceTest } from ${JSON.stringify(`file://${ROOT}/tests/support/services.ts`)};
    serviceTest("completes", ["${needs}"], () => {});`;
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

Deno.test("Elasticsearch is there where it was installed below the cache folder, and Java is", async () => {
  using cache = tempFolder();
  const env = { XDG_CACHE_HOME: cache.path };
  const skipped = (why: string) =>
    new RegExp(`^completes \\(skipped: ${why}: scripts/services install elasticsearch\\)`, "m");
  match((await run(["java"], env, "elasticsearch")).text, skipped("Elasticsearch is not installed"));
  const home = `${cache.path}/bskyingest/services/elasticsearch`;
  Deno.mkdirSync(home, { recursive: true });
  Deno.writeTextFileSync(`${home}/STAMP`, "8.0.0\n");
  match((await run([], env, "elasticsearch")).text, skipped("java is not installed"));
  match((await run(["java"], env, "elasticsearch")).text, /^completes \.\.\. ok/m);
});
