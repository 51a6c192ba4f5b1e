/**
 * `dead-letter list`, `show`, `purge`: events that could never be written.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { parseTimestamp } from "../../lib/atproto/time.ts";
import type { DeadLetterEntry } from "../../lib/state/dead_letter_reader.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { duration, integer, parsed, text, toggle } from "../kit/option.ts";
import { deliveryOptions } from "../options/delivery.ts";

const { deadLetter, stateKey } = deliveryOptions;
const which = { deadLetter, stateKey };

const filters = {
  reason: text("reason", { help: "Only those with this code", metavar: "R", common: true }),
  stage: text("stage", { help: "Only those of this stage: source, filter, or a sink", metavar: "S", common: true }),
  since: parsed(
    "since",
    { help: "Only those of this time or later", metavar: "TIME", common: true },
    (value) => {
      const us = parseTimestamp(value);
      if (us === undefined) throw new ConfigError("it must be YYYY-MM-DD, YYYY-MM-DD-HH:MM:SS (UTC) or RFC 3339");
      return us / 1000;
    },
  ),
};

const list = defineSubcommand({
  brief: "Open entries, oldest first",
  examples: [
    { run: "bskyingest dead-letter list", does: "of the only dead letter there is" },
    { run: "bskyingest dead-letter list --state-key jetstream --reason not_json", does: "of one run, one kind" },
  ],
  options: {
    ...which,
    ...filters,
    limit: integer("limit", { help: "At most so many", min: 1, common: true }, 100),
    all: toggle("all", { help: "Retried ones too", common: true }),
  },
  async run(context) {
    const { values, globals } = context;
    const { listDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const { reason, stage, since, limit, all } = values;
    const onUnreadable = (lines: number) => {
      if (lines > 0) context.stderr(`${lines} lines cannot be read`);
    };
    let shown = 0;
    for await (
      const { entry, state } of listDeadLetter(await find(context), { reason, stage, since, limit, all, onUnreadable })
    ) {
      shown++;
      await context.stdout(globals.json ? JSON.stringify({ ...entry, state }) : lineOf(entry, state));
    }
    if (shown === 0) context.stderr("No dead letters");
    return 0;
  },
});

const show = defineSubcommand({
  brief: "Whole entries",
  examples: [{ run: "bskyingest dead-letter show 01J...", does: "what died, and why" }],
  positionals: [{ name: "ID", help: "As dead-letter list shows it", required: true, repeatable: true }],
  options: { ...which, raw: toggle("raw", { help: "Only the original bytes", common: true }) },
  async run(context) {
    const { showDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const { originalBytes } = await import("../../lib/state/dead_letter.ts");
    for (const { entry, state } of await showDeadLetter(await find(context), context.positionals)) {
      if (context.values.raw) await writeBytes(originalBytes(entry));
      else if (context.globals.json) await context.stdout(JSON.stringify({ ...entry, state }));
      else await context.stdout(wholeText({ ...entry, state }));
    }
    return 0;
  },
});

const purge = defineSubcommand({
  brief: "Remove entries",
  examples: [
    { run: "bskyingest dead-letter purge --retried", does: "those that were dealt with" },
    { run: "bskyingest dead-letter purge --older-than 30d", does: "old ones" },
  ],
  options: {
    ...which,
    ...filters,
    olderThan: duration("older-than", { help: "Only those older than that", common: true }),
    retried: toggle("retried", { help: "Only those that were retried", common: true }),
    all: toggle("all", { help: "Every entry", common: true }),
  },
  async run(context) {
    const { purgeDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
    const { reason, stage, since, olderThan, retried, all } = context.values;
    const before = olderThan === undefined ? undefined : Date.now() - olderThan;
    const result = await purgeDeadLetter(await find(context), { reason, stage, since, before, retried, all });
    context.stderr(`Removed ${result.removed} entries, kept ${result.kept}`);
    if (result.unreadable > 0) context.stderr(`Kept ${result.unreadable} lines that cannot be read`);
    return 0;
  },
});

/** The `dead-letter` command. */
export const command: CommandGroup = {
  examples: [...list.examples.slice(0, 1), ...show.examples, ...purge.examples.slice(0, 1)],
  subcommands: { list, show, purge },
};

/** `--dead-letter`, else that of `--state-key`, else the only one there is. */
async function find({ values, env }: CommandContext<typeof which>): Promise<string> {
  if (values.deadLetter !== undefined) return values.deadLetter;
  const { checkStateKey, deadLetterFile, stateFolder } = await import("../../lib/state/paths.ts");
  const folder = stateFolder(env);
  if (values.stateKey !== undefined) return deadLetterFile(folder, checkStateKey(values.stateKey));
  const { onlyDeadLetter } = await import("../../lib/state/dead_letter_reader.ts");
  return await onlyDeadLetter(folder);
}

function lineOf({ id, at, stage, reason, host, error }: DeadLetterEntry, state: string): string {
  return [id, at, stage, reason, host ?? "-", error, ...(state === "open" ? [] : [`(${state})`])].join("  ");
}

/** A member a line; text as it reads, bytes as a hex dump. */
function wholeText(entry: Readonly<Record<string, unknown>>): string {
  return Object.entries(entry).map(([name, value]) => {
    if (name === "base64") return `${name}:\n${hexDump(Uint8Array.fromBase64(String(value)))}`;
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    return `${name}: ${printable(shown)}`;
  }).join("\n") + "\n";
}

/** What came from outside must not steer the terminal. */
function printable(shown: string): string {
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

async function writeBytes(bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}
