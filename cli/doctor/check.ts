/**
 * What a check of `doctor` is, and running many of them at once.
 *
 * @module
 */
import { ConfigError, messageOf } from "../../lib/pipeline/errors.ts";
import { redactText } from "../kit/redact.ts";
import { printable } from "../kit/terminal.ts";

/** What a check came to. */
export type Verdict = "ok" | "warn" | "fail" | "skip";

/** What a check found. */
export interface Finding {
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}

/** One line of the report. */
export interface Check {
  /** What is looked at: `lock`, `dns jetstream.example`. */
  readonly name: string;
  /** What it finds; one that throws fails with the message. The signal aborts when its time is up. */
  readonly run: (signal: AbortSignal) => Finding | Promise<Finding>;
  /** A failure of this one says nothing about a run: it is a `skip`. */
  readonly optional?: boolean;
  /** Its failure follows from the failure of the check with this name, and is a `skip` then. */
  readonly needs?: string;
}

/** A line of the report, as `--json` prints it. */
export interface CheckResult {
  readonly name: string;
  readonly verdict: Verdict;
  readonly detail: string;
  readonly hint: string | null;
}

/** How long a check may take, in milliseconds. */
export const CHECK_MS = 10_000;
/** A server may say a lot; more of it is not shown, in characters. */
const MOST_WORDS = 500;

/** All went well. */
export function ok(detail: string): Finding {
  return { verdict: "ok", detail };
}

/** A run would work, but not as one may think. */
export function warn(detail: string, hint?: string): Finding {
  return { verdict: "warn", detail, hint };
}

/** A run would fail. */
export function fail(detail: string, hint?: string): Finding {
  return { verdict: "fail", detail, hint };
}

/** There is nothing to check, or no way to. */
export function skip(detail: string): Finding {
  return { verdict: "skip", detail };
}

/** Runs checks side by side; the results are in their order. */
export async function runChecks(checks: readonly Check[], timeoutMs: number = CHECK_MS): Promise<CheckResult[]> {
  const results = await Promise.all(checks.map((check) => runCheck(check, timeoutMs)));
  const failed = new Set(results.filter(({ verdict }) => verdict === "fail").map(({ name }) => name));
  return results.map((result, i) => {
    const { needs } = checks[i]!;
    if (result.verdict !== "fail" || needs === undefined || !failed.has(needs)) return result;
    return { ...result, verdict: "skip", detail: `see ${needs}`, hint: null };
  });
}

async function runCheck({ name, run, optional }: Check, timeoutMs: number): Promise<CheckResult> {
  const time = new AbortController();
  const late = Promise.withResolvers<Finding>();
  const timer = setTimeout(() => {
    late.resolve({ verdict: optional ? "skip" : "fail", detail: `no answer within ${timeoutMs / 1000} s` });
    time.abort();
  }, timeoutMs);
  const found = Promise.resolve(time.signal).then(run).catch((error) => thrown(error, optional));
  const { verdict, detail, hint } = await Promise.race([found, late.promise]);
  clearTimeout(timer);
  return { name, verdict, detail: shown(detail), hint: hint === undefined ? null : shown(hint) };
}

function thrown(error: unknown, optional = false): Finding {
  const detail = error instanceof ConfigError ? error.faults.join("; ") : messageOf(error);
  if (optional) return skip(detail);
  return fail(detail, error instanceof ConfigError ? error.hint : undefined);
}

/** On one line, without passwords, and without what could steer a terminal: servers are quoted here. */
function shown(text: string): string {
  const line = redactText(text).replaceAll(/\s+/g, " ").trim();
  const plain = printable(line);
  return plain.length <= MOST_WORDS ? plain : `${plain.slice(0, MOST_WORDS)}...`;
}
