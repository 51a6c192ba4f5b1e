/**
 * What the library logs, for tests that expect it.
 *
 * @module
 */
import { configure, type LogRecord, reset } from "@logtape/logtape";

/** What was logged so far: `level: text`. */
export interface LogRecords extends AsyncDisposable {
  readonly lines: string[];
}

/** Keeps all log lines of this process until the end of the block. */
export async function captureLog(): Promise<LogRecords> {
  const lines: string[] = [];
  const keep = (record: LogRecord) => void lines.push(`${record.level}: ${record.message.map(String).join("")}`);
  await configure({
    reset: true,
    sinks: { keep },
    loggers: [
      { category: "bskyingest", lowestLevel: "debug", sinks: ["keep"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["keep"] },
    ],
  });
  return { lines, [Symbol.asyncDispose]: reset };
}
