import assert from "node:assert/strict";
import { cliEnv } from "../support/cli.ts";
import { ROOT } from "../support/paths.ts";
import { rowsIn } from "../support/program.ts";
import { tempFolder } from "../support/temp.ts";

/** The permissions of README's section about them, with the simulated server's host in place of the public ones. */
async function readmePermissions(folder: string): Promise<string[]> {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const [, line] = /## Running it with few permissions\n+```sh\ndeno run ([\s\S]*?)mod\.ts jetstream\n```/.exec(
    readme,
  )!;
  return line!.split(/[\s\\]+/).filter((word) => word !== "").map((word) =>
    word.replaceAll("$HOME", folder).replace(/^--allow-net=.*/, "--allow-net=127.0.0.1")
  );
}

Deno.test("README's permissions are enough", async () => {
  using folder = tempFolder();
  const permissions = await readmePermissions(folder.path);
  assert.ok(permissions.every((each) => /^--allow-(net|read|write|env|sys)(=|$)/.test(each)), permissions.join(" "));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--cached-only", "--no-check", "--config", `${ROOT}/deno.json`, ...permissions],
      ...[`${ROOT}/mod.ts`, "jetstream", "--simulate", "-n", "100"],
    ],
    cwd: folder.path,
    env: cliEnv(folder.path),
    clearEnv: true,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(rowsIn(`${folder.path}/bskyingest.db`), 100);
});

Deno.test("Elasticsearch without the permission to reach it: exit 2, and what to permit", async () => {
  using folder = tempFolder();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--cached-only", "--no-check", "--config", `${ROOT}/deno.json`],
      ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys", `${ROOT}/mod.ts`],
      ...["megastream", "--path", `${ROOT}/fixtures/megastream`, "--elasticsearch-url", "http://127.0.0.1:9"],
    ],
    cwd: folder.path,
    env: cliEnv(folder.path),
    clearEnv: true,
  }).output();
  assert.equal(code, 2);
  assert.match(
    new TextDecoder().decode(stderr),
    /Cannot reach http:\/\/127\.0\.0\.1:9: no permission\nRun with --allow-net=127\.0\.0\.1:9/,
  );
});
