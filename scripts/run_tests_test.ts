import { deepEqual, equal, match, ok } from "node:assert/strict";
import { dirname } from "node:path";
import { countCases, failuresIn, groupsIn, summaryLine } from "./run_tests.ts";
import { ROOT } from "../tests/support/paths.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="1" errors="0" time="0.113">
    <testsuite name="./a_test.ts" tests="5" disabled="2" errors="0" failures="1">
        <testcase name="passes" classname="./a_test.ts" time="0.001" line="1" col="6">
        </testcase>
        <testcase name="passes &gt; a step" classname="./a_test.ts" time="0.001" line="1" col="6"/>
        <testcase name="fails" classname="./a_test.ts" time="0.001" line="2" col="6">
            <failure message="Uncaught Error: &lt;skipped/&gt;">Error: x
&lt;testcase&gt;</failure>
        </testcase>
        <testcase name="ignored" classname="./a_test.ts" time="0.000" line="3" col="11">
            <skipped/>
        </testcase>
        <testcase name="filtered out" classname="./a_test.ts" line="4" col="6">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("cases of a report are counted, without those that were filtered out", () => {
  deepEqual(countCases(REPORT), { passed: 2, failed: 1, skipped: 1 });
  deepEqual(countCases(""), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("what failed is named with its file and the beginning of its error", () => {
  deepEqual(failuresIn(REPORT), ["FAILED: fails (./a_test.ts)\n  Error: x\n  <testcase>"]);
  const long = REPORT.replace("Error: x", Array.from({ length: 100 }, (_, i) => `line ${i}`).join("\n"));
  equal(failuresIn(long)[0]!.split("\n").at(-1), "  line 24");
  deepEqual(failuresIn(""), []);
});

Deno.test("the last line names what was skipped only if something was", () => {
  equal(summaryLine({ passed: 3, failed: 0, skipped: 0 }, true), "3 passed, 0 failed");
  equal(summaryLine({ passed: 3, failed: 2, skipped: 1 }, false), "3 passed, 2 failed, 1 skipped");
});

Deno.test("a run that failed without a failed case counts one failure", () => {
  equal(summaryLine({ passed: 3, failed: 0, skipped: 0 }, false), "3 passed, 1 failed");
});

Deno.test("each folder of tests is a group, and nothing is in two groups or in none", async () => {
  const groups = await groupsIn(ROOT);
  const [others, ...more] = groups.filter(({ name }) => name === "others");
  deepEqual(more, []);
  const folders = groups.filter((group) => group !== others).map(({ args }) => args.join(" "));
  equal(new Set(folders).size, folders.length);
  deepEqual(others!.args, ["--doc", `--ignore=${folders.toSorted().join()}`]);
});

/** Runs the script on test modules, in a folder of their own. */
async function runOn(
  source: string | Record<string, string>,
  ...args: string[]
): Promise<{ code: number; lines: string[] }> {
  const folder = await Deno.makeTempDir({ prefix: "bskyingest-test-" });
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, "{}");
    const files = typeof source === "string" ? { "a_test.ts": source } : source;
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(`${folder}/${name}`), { recursive: true });
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", `${ROOT}/scripts/run_tests.ts`, ...args],
      cwd: folder,
      stderr: "null",
    }).output();
    return { code, lines: new TextDecoder().decode(stdout).trimEnd().split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("scripts/run_tests.ts passes arguments on, and its last line and exit status tell the outcome", async (t) => {
  const source = `
    Deno.test("good", () => {});
    Deno.test("bad", () => { throw new Error("no"); });
    Deno.test.ignore("later", () => {});`;
  await t.step("a failed test", async () => {
    const { code, lines } = await runOn(source);
    deepEqual([code, lines.at(-1)], [1, "1 passed, 1 failed, 1 skipped"]);
  });
  await t.step("a filter", async () => {
    const { code, lines } = await runOn(source, "--filter", "good");
    deepEqual([code, lines.at(-1)], [0, "1 passed, 0 failed"]);
  });
  await t.step("a module that does not type-check", async () => {
    const { code, lines } = await runOn("const x: string = 1; console.log(x);");
    deepEqual([code, lines.at(-1)], [1, "0 passed, 1 failed"]);
  });
  await t.step("groups: their lines begin with their names, and all are counted", async () => {
    const { code, lines } = await runOn({
      "tests/a/a_test.ts": source,
      "tests/b/b_test.ts": source,
      "c_test.ts": source,
    });
    deepEqual([code, lines.at(-1)], [1, "3 passed, 3 failed, 3 skipped"]);
    for (const name of ["a", "b", "others"]) ok(lines.some((line) => line.startsWith(`${name} | good ...`)));
    const failed = lines.filter((line) => line.startsWith("FAILED: bad")).toSorted();
    deepEqual(
      failed,
      ["./c_test.ts", "./tests/a/a_test.ts", "./tests/b/b_test.ts"].map((file) => `FAILED: bad (${file})`),
    );
  });
  await t.step("a group without a good module", async () => {
    const { code, lines } = await runOn({ "tests/a/a_test.ts": 'throw new Error("at once");', "c_test.ts": source });
    deepEqual([code, lines.at(-1)], [1, "1 passed, 2 failed, 1 skipped"]);
    match(lines.join("\n"), /^FAILED: a: a module does not load/m);
  });
  await t.step("a module that throws while it loads", async () => {
    const { code, lines } = await runOn('throw new Error("at once");');
    equal(code, 1);
    match(lines.at(-1) ?? "", /^0 passed, 1 failed$/);
  });
});
