/**
 * `deno task test [arguments of deno test]`: runs all tests and documented examples, and counts them in the last line of the output:
 * `12 passed, 0 failed`, then `, 3 skipped` where some were. Without arguments, each folder of `tests` runs in a process of its own, two at a
 * time, its lines begin with its name, and what failed is said once more at the end.
 *
 * @module
 */

/** How many tests and steps ended in which way. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts the cases of a JUnit report by `deno test`. What `--filter` left out is not a case of this run. */
export function countCases(report: string): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, attributes = "", body = ""] of report.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<(?:failure|error)\b/.test(body)) counts.failed++;
    else if (!/<skipped\b/.test(body)) counts.passed++;
    // Deno writes no time for a test that was filtered out.
    else if (/\stime="/.test(attributes)) counts.skipped++;
  }
  return counts;
}

/** What a report says of the cases that failed: the name, the file, and the beginning of the error. */
export function failuresIn(report: string): string[] {
  const failed = report.matchAll(
    /<testcase name="([^"]*)" classname="([^"]*)"[^>]*?>\s*<(?:failure|error)\b[^>]*>(.*?)<\//gs,
  );
  return [...failed].map(([, name = "", file = "", error = ""]) => {
    const lines = unescapeXml(error).trim().split("\n").slice(0, FAILURE_LINES);
    return [`FAILED: ${unescapeXml(name)} (${file})`, ...lines.map((line) => `  ${line.slice(0, 400)}`)].join("\n");
  });
}

/** Of an error at the end of a run: enough for a comparison of a few values. The whole is further up. */
const FAILURE_LINES = 25;

function unescapeXml(text: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", "#39": "'", amp: "&" };
  return text.replaceAll(/&(lt|gt|quot|apos|#39|amp);/g, (_, name: string) => characters[name]!);
}

/** The last line. A run that failed although no case did (a module that does not load or check) counts as one failure. */
export function summaryLine(counts: TestCounts, success: boolean): string {
  const failed = success ? counts.failed : Math.max(counts.failed, 1);
  return `${counts.passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`;
}

/** Arguments of `deno test`, and what its lines are told apart by. */
interface Group {
  readonly name: string;
  readonly args: readonly string[];
}

/** Groups that run at a time: most tests wait for other processes. */
const LANES = 2;

/** They take longest: whoever runs last should not be among them. */
const SLOW = ["e2e", "matrix", "crash", "dashboard"];

/** Each folder of `tests` for itself, and everything else together. */
export async function groupsIn(root: string): Promise<Group[]> {
  const folders = (await Array.fromAsync(foldersIn(`${root}/tests`))).filter((name) => name !== "support").sort();
  const group = (name: string) => ({ name, args: [`tests/${name}`] });
  const grouped = folders.map((name) => `tests/${name}`).join();
  return [
    ...SLOW.filter((name) => folders.includes(name)).map(group),
    { name: "others", args: ["--doc", ...grouped === "" ? [] : [`--ignore=${grouped}`]] },
    ...folders.filter((name) => !SLOW.includes(name)).map(group),
  ];
}

async function* foldersIn(folder: string): AsyncGenerator<string> {
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) if (isDirectory) yield name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Runs `deno` and answers whether it succeeded. @param name Before each of its lines; undefined: it has the terminal. */
async function runDeno(args: readonly string[], name?: string): Promise<boolean> {
  const output = name === undefined ? "inherit" : "piped";
  const child = new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null", stdout: output, stderr: output })
    .spawn();
  if (name !== undefined) {
    await Promise.all([printLines(child.stdout, name, console.log), printLines(child.stderr, name, console.error)]);
  }
  return (await child.status).success;
}

async function printLines(stream: ReadableStream<Uint8Array>, name: string, print: (line: string) => void) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) print(`${name} | ${line}`);
  }
  if (rest !== "") print(`${name} | ${rest}`);
}

/** How a run of tests ended. */
interface Outcome {
  readonly counts: TestCounts;
  readonly success: boolean;
  readonly failures: readonly string[];
}

/** Runs tests and counts them. */
async function test({ name, args }: Pick<Group, "args"> & Partial<Group>): Promise<Outcome> {
  const report = await Deno.makeTempFile({ prefix: "bskyingest-test-", suffix: ".xml" });
  try {
    const success = await runDeno(["test", "-A", `--junit-path=${report}`, ...args], name);
    const text = await Deno.readTextFile(report);
    return { counts: countCases(text), success, failures: failuresIn(text) };
  } finally {
    await Deno.remove(report);
  }
}

/** Runs everything, several groups side by side. */
async function testAll(): Promise<Outcome> {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const said: string[] = [];
  const checked = await runDeno(["check", "--quiet", "--doc"]);
  if (!checked) return { counts: sum, success: false, failures: said };
  const groups = await groupsIn(".");
  let allGood = true;
  const lane = async () => {
    for (let group; (group = groups.shift());) {
      const { counts, success, failures } = await test({ ...group, args: ["--no-check", ...group.args] });
      for (const name of ["passed", "failed", "skipped"] as const) sum[name] += counts[name];
      said.push(...failures);
      if (!success && counts.failed === 0) {
        sum.failed++;
        said.push(`FAILED: ${group.name}: a module does not load, or has no test`);
      }
      allGood &&= success;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { counts: sum, success: allGood, failures: said };
}

async function main(args: readonly string[]): Promise<number> {
  const all = args.length === 0;
  const { counts, success, failures } = await (all ? testAll() : test({ args: ["--doc", ...args] }));
  if (all && failures.length > 0) console.log(`\n${failures.join("\n")}\n`); // of some tests `deno test` says it last itself
  console.log(summaryLine(counts, success));
  return success ? 0 : 1;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
