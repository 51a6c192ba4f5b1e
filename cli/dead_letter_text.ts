/**
 * Dead letters for people.
 *
 * @module
 */
import type { DeadLetterEntry } from "../lib/state/dead_letter_reader.ts";
import { printable } from "./kit/terminal.ts";

/** An entry on one line. */
export function lineOf({ id, at, stage, reason, host, error }: DeadLetterEntry, state: string): string {
  const parts = [id, at, stage, reason, host ?? "-", error, ...(state === "open" ? [] : [`(${state})`])];
  return printable(parts.join("  ").replaceAll(/\s*[\r\n]+\s*/g, " "));
}

/** A member a line; text as it reads, bytes as a hex dump. */
export function wholeText(entry: Readonly<Record<string, unknown>>): string {
  return Object.entries(entry).map(([name, value]) => {
    if (name === "base64") return `${name}:\n${hexDump(Uint8Array.fromBase64(String(value)))}`;
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    return `${name}: ${printable(shown)}`;
  }).join("\n") + "\n";
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
