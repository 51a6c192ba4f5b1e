/**
 * `doctor`: checks what a run of another command would need.
 *
 * @module
 */
import type { CheckResult } from "../doctor/check.ts";
import type { Loaded } from "../doctor/settings.ts";
import type { Action, CommandContext, CommandGroup, Subcommand } from "../kit/command.ts";
import { flagsOnly, type Options } from "../kit/declaration.ts";
import { wantsColor } from "../kit/terminal.ts";
import { command as backfill } from "./backfill.ts";
import { command as consume } from "./consume.ts";
import { command as firehose } from "./firehose.ts";
import { command as jetstream } from "./jetstream.ts";
import { command as labeler } from "./labeler.ts";
import { command as megastream } from "./megastream.ts";

/** Checks everything that a run with given settings depends on. */
type Examine = (loaded: Loaded<Options>) => Promise<readonly CheckResult[]>;

/** The commands that can be checked, each with the options of a run as an example, and with what looks at everything it depends on. */
const CHECKED: Readonly<Record<string, readonly [command: Action, args: string, load: () => Promise<Examine>]>> = {
  jetstream: [
    jetstream,
    "--sink ndjson --out likes.ndjson",
    async () => (await import("../doctor/jetstream.ts")).examineJetstream,
  ],
  firehose: [firehose, "--sink redis", async () => (await import("../doctor/streams.ts")).examineFirehose],
  labeler: [labeler, "--db labels.db", async () => (await import("../doctor/streams.ts")).examineLabeler],
  backfill: [backfill, "--sink redis", async () => (await import("../doctor/backfill.ts")).examineBackfill],
  consume: [consume, "--sink sqlite", async () => (await import("../doctor/consume.ts")).examineConsume],
  megastream: [
    megastream,
    "--path /data/mega",
    async () => (await import("../doctor/megastream.ts")).examineMegastream,
  ],
};

/** The `doctor` command. */
export const command: CommandGroup = {
  description:
    "Checks what a run of the command (default: jetstream) with these options would need, and writes nothing but temporary " +
    "files, which it removes. A line for each check begins with ok, warn, fail or skip. Exit status 1: something fails.",
  examples: [
    { run: "bskyingest doctor", does: "check what bskyingest jetstream would use" },
    { run: "bskyingest doctor firehose --sink redis", does: "with the options of a run" },
    { run: "bskyingest doctor --json", does: "a JSON object with all findings" },
  ],
  subcommands: Object.fromEntries(Object.keys(CHECKED).map((name) => [name, checkOf(name)])),
  usual: "jetstream",
};

function checkOf(name: string): Subcommand {
  const [{ options }, args, load] = CHECKED[name]!;
  return {
    brief: `Check what a run of ${name} would need`,
    examples: [{ run: `bskyingest doctor ${name} ${args}`, does: "with the options of a run" }],
    options: flagsOnly(options),
    withoutConfigFile: true,
    async run(context) {
      const { loadSettings } = await import("../doctor/settings.ts");
      const examine = await load();
      const checks = await examine(await loadSettings(context, name, options));
      const ok = checks.every(({ verdict }) => verdict !== "fail");
      if (context.globals.json) await context.stdout(JSON.stringify({ ok, checks }));
      else await print(context, checks);
      return ok ? 0 : 1;
    },
  };
}

async function print({ globals, env, stdout }: CommandContext, checks: readonly CheckResult[]): Promise<void> {
  const { reportLines } = await import("../doctor/report.ts");
  const color = wantsColor(globals.color, env, Deno.stdout.isTerminal());
  for (const line of reportLines(checks, color)) await stdout(line);
}
