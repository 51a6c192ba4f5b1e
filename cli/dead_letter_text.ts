/**
 * Dead letters for people.
 *
 * @module
 */
import type { DeadLetterEntry } from "../lib/state/dead_letter_reader.ts";

/** An entry on one line. */
export function lineOf({ id, at, stage, reason, host, error }: DeadLetterEntry, state: string): string {
  return [id, at, stage, reason, host ?? "-", error, ...(state === "open" ? [] : [`(${state})`])].join("  ");
}

/** A member a line; text as it reads, bytes as a hex dump. */
export function wholeText(entry: Readonly<Record<string, unknown>>): string {
  return Object.entries(entry).map(([name, value]) => {
    if (name === "base64") return `${name}:\n${hexDump(Uint8Array.fromBase64(String(value)))}`;
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    return `${name}: ${printable(shown)}`;
  }).join("\n") + "\n";
}

/** What came from outside must not steer the terminal. */
export function printable(shown: string): string {
  // deno-lint-ignore no-control-regex
  const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
  return shown.replaceAll(controls, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function hexDump(bytes: Uint8Array): string {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = [...row].map((byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".").join("");
    lines.push(`  ${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join("\n");
}
