/**
 * What `doctor` finds, for tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { CheckResult } from "../../cli/doctor/check.ts";
import { assertCalm, type Ended, run } from "./program.ts";

/** Runs `doctor --json`; its exit status must follow from its findings. */
export async function examine(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  return findings(await run(folder, ["doctor", ...args, "--json"], env));
}

/** The findings of `doctor --json`, found by name, and with them the names in their order. */
export function findings(end: Ended) {
  assertCalm(end);
  assert.equal(end.stdout.length, 1, end.stderr.join("\n"));
  const { ok, checks } = JSON.parse(end.stdout[0]!) as { ok: boolean; checks: CheckResult[] };
  assert.equal(ok, checks.every(({ verdict }) => verdict !== "fail"));
  assert.equal(end.code, ok ? 0 : 1);
  const of = (verdict: string) => checks.filter((check) => check.verdict === verdict).map(({ name }) => name);
  const get = (name: string) => checks.find((check) => check.name === name)!;
  return { names: checks.map(({ name }) => name), of, get };
}

/** Asserts one finding. */
export function assertFinding({ verdict, detail }: CheckResult, expected: CheckResult["verdict"], words: RegExp): void {
  assert.equal(verdict, expected, detail);
  assert.match(detail, words);
}
