/**
 * `doctor`: checks what a run of another command would need.
 *
 * @module
 */
import { type CommandContext, defineCommand } from "../kit/command.ts";
import type { Options } from "../kit/declaration.ts";
import { wantsColor } from "../kit/terminal.ts";
import { command as jetstream } from "./jetstream.ts";

/** The commands that can be checked: the options that each goes by, and what looks at everything it depends on. */
const CHECKED = {
  jetstream: {
    options: jetstream.options,
    load: async () => (await import("../doctor/jetstream.ts")).examineJetstream,
  },
} as const;

/** Only flags are ours: environment and configuration file speak to the command that is checked. */
function flagsOf(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([key, option]) => [key, { ...option, flagOnly: true, inFile: false }]),
  );
}

/** The `doctor` command. */
export const command = defineCommand({
  description:
    "Checks what a run of COMMAND (default: jetstream) with these options would need, and writes nothing but temporary " +
    "files, which it removes. A line for each check begins with ok, warn, fail or skip. Exit status 1: something fails.",
  examples: [
    { run: "bskyingest doctor", does: "check what bskyingest jetstream would use" },
    { run: "bskyingest doctor jetstream --sink ndjson --out likes.ndjson", does: "with the options of a run" },
    { run: "bskyingest doctor --json", does: "a JSON object with all findings" },
  ],
  positionals: [{ name: "COMMAND", help: "The command that is to run", choices: Object.keys(CHECKED) }],
  options: flagsOf(CHECKED.jetstream.options),
  withoutConfigFile: true,
  async run(context) {
    const name = (context.positionals[0] ?? "jetstream") as keyof typeof CHECKED;
    const { options, load } = CHECKED[name];
    const { loadSettings } = await import("../doctor/settings.ts");
    const examine = await load();
    const checks = await examine(await loadSettings(context, name, options));
    const ok = checks.every(({ verdict }) => verdict !== "fail");
    if (context.globals.json) await context.stdout(JSON.stringify({ ok, checks }));
    else await print(context, checks);
    return ok ? 0 : 1;
  },
});

async function print(
  { globals, env, stdout }: CommandContext,
  checks: Parameters<typeof import("../doctor/report.ts").reportLines>[0],
): Promise<void> {
  const { reportLines } = await import("../doctor/report.ts");
  const color = wantsColor(globals.color, env, Deno.stdout.isTerminal());
  for (const line of reportLines(checks, color)) await stdout(line);
}
