/**
 * Where the log goes and how it looks. The library logs to LogTape and is silent until this configures it.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { LogLevel, LogRecord, Sink, TextFormatter } from "@logtape/logtape";
import { recentErrors } from "../lib/ops/recent_errors.ts";
import { ConfigError, messageOf } from "../lib/pipeline/errors.ts";
import { openPrivateSync } from "../lib/state/files.ts";
import type { Values } from "./kit/declaration.ts";
import { redactText } from "./kit/redact.ts";
import { printable, systemReason } from "./kit/terminal.ts";
import type { GlobalOptions } from "./options/global.ts";

/** The newest warnings and errors of this process, for the operations server. */
export const recent = recentErrors((record) => redactText(messageText(record)));

/** What the log depends on. */
export interface LogOptions {
  readonly globals: Pick<Values<GlobalOptions>, "logLevel" | "logFormat" | "logFile" | "quiet" | "verbose">;
  /** Writes one line to stderr. */
  readonly stderr: (text: string) => void;
  /** Whether stderr is a terminal: there the time alone is enough, elsewhere lines carry the date too. */
  readonly isTerminal: boolean;
}

/**
 * Configures LogTape. Disposing of the result closes the log file.
 *
 * @throws {ConfigError} If the log file cannot be opened.
 */
export async function configureLog({ globals, stderr, isTerminal }: LogOptions): Promise<AsyncDisposable> {
  const level = effectiveLevel(globals);
  const file = globals.logFile === undefined ? undefined : openLogFile(globals.logFile);
  const { configure, dispose, getJsonLinesFormatter, getLevelFilter, getLogfmtFormatter, withFilter } = await import(
    "@logtape/logtape"
  );
  const formatter = (short: boolean): TextFormatter => {
    if (globals.logFormat === "json") return getJsonLinesFormatter();
    if (globals.logFormat === "logfmt") return getLogfmtFormatter();
    return (record) => formatText(record, short);
  };
  const sinks: Record<string, Sink> = { stderr: lineSink(formatter(isTerminal), stderr) };
  if (file !== undefined) {
    const encoder = new TextEncoder();
    sinks.file = lineSink(formatter(false), (line) => file.writeSync(encoder.encode(`${redactText(line)}\n`)));
  }
  // Whatever is told to people: warnings are kept for the operations server as well.
  const told = Object.entries(sinks).map(([name, sink]) => [name, withFilter(sink, getLevelFilter(level))] as const);
  await configure({
    reset: true,
    // For what `withContext` adds: which of several jobs a record is of.
    contextLocalStorage: new AsyncLocalStorage<Record<string, unknown>>(),
    sinks: { ...Object.fromEntries(told), recent: recent.sink, meta: sinks.stderr! },
    loggers: [
      { category: "bskyingest", sinks: [...Object.keys(sinks), "recent"], lowestLevel: lower(level, "warning") },
      // LogTape's own complaints, such as a log file that cannot be written.
      { category: ["logtape", "meta"], sinks: ["meta"], lowestLevel: "warning" },
    ],
  });
  return {
    async [Symbol.asyncDispose]() {
      await dispose();
      file?.close();
    },
  };
}

/** `--quiet` and `--verbose` move the level; `null` = nothing is logged. */
function effectiveLevel({ logLevel, quiet, verbose }: LogOptions["globals"]): LogLevel | null {
  if (logLevel === "off") return null;
  if (quiet) return logLevel === "error" ? "error" : "warning";
  return verbose ? "debug" : logLevel;
}

/** Of two levels the one that lets more through. */
function lower(level: LogLevel | null, other: LogLevel): LogLevel {
  const order: readonly LogLevel[] = ["trace", "debug", "info", "warning", "error", "fatal"];
  return level !== null && order.indexOf(level) < order.indexOf(other) ? level : other;
}

function openLogFile(path: string): Deno.FsFile {
  try {
    return openPrivateSync(path, { append: true, create: true });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`Cannot open log file "${path}": ${systemReason(error)}`, { cause: error });
  }
}

function lineSink(format: TextFormatter, write: (line: string) => void): Sink {
  return (record) => write(format(record).trimEnd());
}

/** `12:30:01 warning sqlite: Message key=value`: the properties that the message does not show already follow it. */
export function formatText(record: LogRecord, short: boolean): string {
  const at = new Date(record.timestamp);
  const time = short ? at.toTimeString().slice(0, 8) : at.toISOString();
  const category = record.category.slice(record.category.length > 1 ? 1 : 0).join(".");
  const template = typeof record.rawMessage === "string" ? record.rawMessage : "";
  const rest = Object.entries(record.properties)
    .filter(([key]) => !template.includes(`{${key}}`))
    .map(([key, value]) => ` ${key}=${quote(show(value))}`);
  return escapeControls(`${time} ${record.level} ${category}: ${messageText(record)}${rest.join("")}`);
}

function messageText({ message }: LogRecord): string {
  return message.map((part, i) => i % 2 === 0 ? part : show(part)).join("");
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return messageOf(value);
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function quote(text: string): string {
  return /[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text;
}

/** One record is one line, and a server's words cannot steer the terminal. */
function escapeControls(text: string): string {
  return printable(
    text.replaceAll(/\p{Cc}/gu, (c) => c === "\n" ? "\\n" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`),
  );
}
