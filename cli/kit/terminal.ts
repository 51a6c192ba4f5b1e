/**
 * Standard output and error, colour and width.
 *
 * @module
 */
import { messageOf, OutputClosedError } from "../../lib/pipeline/errors.ts";
import { redactText } from "./redact.ts";

type Env = (name: string) => string | undefined;

/** Whether to colour what goes to a stream. `--color` is stronger than `FORCE_COLOR`, and that than `NO_COLOR`. */
export function wantsColor(choice: string, env: Env, isTerminal: boolean): boolean {
  if (choice !== "auto") return choice === "always";
  const force = env("FORCE_COLOR");
  if (force) return force !== "0" && force !== "false";
  return isTerminal && !env("NO_COLOR") && env("TERM") !== "dumb";
}

/** How wide text may be, in characters. */
export function terminalWidth(env: Env): number {
  const columns = Number(env("COLUMNS"));
  if (Number.isInteger(columns) && columns >= 40) return Math.min(columns, 120);
  if (!Deno.stdout.isTerminal()) return 80;
  return Math.max(40, Math.min(Deno.consoleSize().columns, 120));
}

/** The two streams that a program writes to. */
export interface Output {
  readonly stdout: (text: string) => Promise<void>;
  readonly stderr: (text: string) => void;
  readonly status: (text: string | undefined) => void;
}

/** Output to the process's own streams. A status line on stderr stays below the lines that are written while it is shown. */
export function processOutput(): Output {
  const encoder = new TextEncoder();
  let status: string | undefined;
  const toStderr = (text: string) => {
    try {
      let bytes = encoder.encode(redactText(text));
      while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
    } catch {
      // Nobody reads it: there is no better place to complain, and no reason to stop.
    }
  };
  const erase = "\r\x1b[K";
  return {
    async stdout(text) {
      await writeOut(encoder.encode(`${text}\n`));
    },
    stderr(text) {
      toStderr(status === undefined ? `${text}\n` : `${erase}${text}\n${status}`);
    },
    status(text) {
      if (text !== undefined) toStderr(`${erase}${text}`);
      else if (status !== undefined) toStderr(erase);
      status = text;
    },
  };
}

/**
 * Writes bytes to stdout.
 *
 * @throws {OutputClosedError} If the reader is gone.
 */
export async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await Deno.stdout.write(rest));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource) {
      throw new OutputClosedError("Cannot write to stdout: nobody reads it", { cause: error });
    }
    throw error;
  }
}

/** What came from outside must not steer the terminal, nor turn its text round; tabs and line feeds stay. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  return text.replaceAll(steering, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Why the operating system refused, without the name of the call: `No such file or directory`. */
export function systemReason(error: unknown): string {
  return messageOf(error).replace(/ \(os error \d+\).*$/, "");
}
