import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type Child, startCli, startScript } from "./child.ts";
import { randomFrom, startNumber } from "./random.ts";
import { tempFolder } from "./temp.ts";

const demo = (cwd: string, count: number, env = {}): Child =>
  startScript("tests/support/child_demo.ts", [String(count)], { cwd, env });

Deno.test("a child's lines can be read while it runs, and all of them at the end", async () => {
  using folder = tempFolder();
  await using endless = demo(folder.path, 1e6);
  equal(await endless.stdout.waitFor("1"), "1");
  await using child = demo(folder.path, 20, { GREETING: "hello" });
  equal(await child.stderr.waitFor(/^started/), "started hello");
  equal((await child.status).code, 0);
  deepEqual(child.stdout.lines, ["ready", ...Array.from({ length: 20 }, (_, i) => `${i + 1}`)]);
});

Deno.test("a line that does not come: waiting ends with the stream or the time, and shows what came", async () => {
  using folder = tempFolder();
  await using child = demo(folder.path, 1);
  const options = { timeoutMs: 1 };
  await rejects(child.stdout.waitFor("never", options), /Cannot find never in stdout: 1 ms have passed after \[/);
  await rejects(child.stdout.waitFor("never"), /it has ended after \["ready","1"\]/);
  await rejects(child.stdout.waitFor("never"), /it has ended after \["ready","1"\]/);
});

Deno.test("kill sends a signal, and says when the child has ended already", async () => {
  using folder = tempFolder();
  await using child = demo(folder.path, 1e6);
  await child.stdout.waitFor("ready");
  equal(child.kill(), true);
  equal((await child.status).code, 3);
  equal(child.stdout.lines.at(-1), "bye");
  equal(child.kill(), false);
});

Deno.test("killWithin kills at a random moment, unless the child ends before", async () => {
  using folder = tempFolder();
  const random = randomFrom(startNumber("kill moments"));
  await using long = demo(folder.path, 1e6);
  equal((await long.killWithin(200, random)).signal, "SIGKILL");
  await using short = demo(folder.path, 1);
  equal((await short.killWithin(1e6, () => 0.9)).code, 0);
});

Deno.test("a child that is still running is killed at the end of the block", async () => {
  using folder = tempFolder();
  let ended: Child["status"];
  {
    await using child = demo(folder.path, 1e6);
    await child.stdout.waitFor("ready");
    ended = child.status;
  }
  equal((await ended).signal, "SIGKILL");
});

Deno.test({
  name: "the peak of a child's memory is known while it runs and afterwards",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using folder = tempFolder();
    await using child = demo(folder.path, 30);
    await child.stdout.waitFor("30");
    const peak = child.peakRssBytes()!;
    ok(peak > 10e6 && peak < 1e9, `${peak} bytes`);
    await child.status;
    ok(child.peakRssBytes()! >= peak);
  },
});

Deno.test("startCli runs the program with a home of its own", async () => {
  using folder = tempFolder();
  await using child = startCli(["--version"], { cwd: folder.path });
  equal((await child.status).code, 0);
  match(child.stdout.lines.join("\n"), /\d+\.\d+\.\d+/);
});

Deno.test("chance repeats itself from the same start, and spreads from 0 to 1", () => {
  const [a, b] = [randomFrom(7), randomFrom(7)];
  const drawn = Array.from({ length: 1000 }, a);
  deepEqual(drawn, Array.from({ length: 1000 }, b));
  ok(drawn.every((x) => x >= 0 && x < 1));
  const mean = drawn.reduce((sum, x) => sum + x) / drawn.length;
  ok(Math.abs(mean - 0.5) < 0.05, `the mean is ${mean}`);
});
