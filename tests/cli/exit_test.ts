import assert from "node:assert/strict";
import { cliArgs, cliEnv, runCli } from "../support/cli.ts";

const ENTRY = "tests/support/demo_program.ts";

Deno.test("what a command throws decides exit status and text", async () => {
  const cases: [string, number, RegExp][] = [
    ["hint", 2, /^Cannot open it: it is not there\nMake it first\n$/],
    ["locked", 75, /^Cannot lock x: process 1 on host h holds it\n$/],
    ["transient", 1, /^Cannot reach wss:\/\/user:\*\*\*@host: refused\n$/],
    ["bug", 1, /^TypeError: Something nobody thought of\n {4}at .*runDemo/],
  ];
  for (const [what, code, expected] of cases) {
    const result = await runCli(["demo", what], { entry: ENTRY });
    assert.equal(result.code, code, what);
    assert.match(result.stderr, expected);
    assert.equal(result.stdout, "");
  }
});

/** Starts `demo wait` or `demo hang` and returns once it listens for signals. */
async function start(args: readonly string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: cliArgs(args, ENTRY),
    env: cliEnv("/nonexistent"),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  /** The next thing that it says. */
  const said = async () => (await lines.read()).value;
  assert.equal(await said(), "ready\n");
  const end = async () => {
    assert.equal(await said(), undefined);
    const stderr = await new Response(child.stderr).text();
    const { code, signal } = await child.status;
    return { code, signal, stderr };
  };
  return { child, said, end };
}

Deno.test("L7: a signal lets the command finish, exit status 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const { child, said, end } = await start(["demo", "wait"]);
    child.kill(signal);
    assert.equal(await said(), `stopped by ${signal}\n`);
    assert.deepEqual(await end(), { code: 0, signal: null, stderr: "" });
  }
});

Deno.test("L7: a second signal ends the process at once, by that signal", async () => {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const { child, said, end } = await start(["demo", "hang"]);
    child.kill(signal);
    assert.equal(await said(), `stopped by ${signal}\n`);
    child.kill(signal);
    assert.deepEqual(await end(), { code, signal, stderr: "" });
  }
});

Deno.test("a command that does not finish within --shutdown-timeout is stopped, exit status 1", async () => {
  const { child, said, end } = await start(["demo", "hang", "--shutdown-timeout", "100ms"]);
  child.kill("SIGTERM");
  assert.equal(await said(), "stopped by SIGTERM\n");
  const stderr = "Cannot finish the running writes: not done 0.1 s after SIGTERM\n";
  assert.deepEqual(await end(), { code: 1, signal: null, stderr });
});

/** Runs a line of shell in which "$@" is the program. */
async function shell(line: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `set -o pipefail; ${line}`, "bash", Deno.execPath(), ...cliArgs(args, ENTRY)],
    env: cliEnv("/nonexistent", env),
    clearEnv: true,
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("L9: a reader that has enough ends the program quietly, exit status 0", async () => {
  assert.deepEqual(await shell('"$@" | head -1', ["demo", "much"]), { code: 0, stdout: "line 0\n", stderr: "" });
});

Deno.test("L10: stdout or stderr closed, no home, any time zone: clear behaviour, no stack trace", async () => {
  assert.deepEqual(await shell('"$@" >&-', ["--help"]), { code: 0, stdout: "", stderr: "" });
  assert.deepEqual(await shell('"$@" 2>&-', ["demo", "bug"]), { code: 1, stdout: "", stderr: "" });
  assert.deepEqual(await shell('"$@" 2>&-', ["demo", "--nope"]), { code: 2, stdout: "", stderr: "" });
  const homeless = await shell('unset HOME XDG_CONFIG_HOME; TZ=Nowhere/Land "$@"', ["demo"]);
  assert.deepEqual([homeless.code, homeless.stdout.startsWith("{")], [0, true]);
});
