/**
 * What the library logs, for tests that expect a warning.
 *
 * @module
 */
import { configure, type LogRecord, reset } from "@logtape/logtape";

/** Log records of the library, until it is disposed of. */
export interface CapturedLogs extends AsyncDisposable {
  /** Message texts of this level so far. */
  texts(level: LogRecord["level"]): string[];
}

/** Collects everything that the library logs from now on. */
export async function captureLogs(): Promise<CapturedLogs> {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { memory: (record) => records.push(record) },
    loggers: [
      { category: ["bskyingest"], sinks: ["memory"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
    ],
  });
  return {
    texts: (level) => records.filter((r) => r.level === level).map((r) => r.message.map(String).join("")),
    [Symbol.asyncDispose]: () => reset(),
  };
}
