/**
 * `deno task test [arguments of deno test]`: runs all tests and documented examples, and counts them in the last line of the output:
 * `12 passed, 0 failed`, then `, 3 skipped` where some were.
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

/** The last line. A run that failed although no case did (a module that does not load or check) counts as one failure. */
export function summaryLine(counts: TestCounts, success: boolean): string {
  const failed = success ? counts.failed : Math.max(counts.failed, 1);
  return `${counts.passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`;
}

async function main(args: readonly string[]): Promise<number> {
  const report = await Deno.makeTempFile({ prefix: "bskyingest-test-", suffix: ".xml" });
  try {
    const { code, success } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--doc", `--junit-path=${report}`, ...args],
      stdin: "null",
    }).spawn().status;
    console.log(summaryLine(countCases(await Deno.readTextFile(report)), success));
    return code;
  } finally {
    await Deno.remove(report);
  }
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
