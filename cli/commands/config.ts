/**
 * `config show`, `config path`, `config check`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type CommandContext, type CommandGroup, defineSubcommand, targetsOf } from "../kit/command.ts";
import { findConfigFile, parseConfig } from "../kit/config_file.ts";
import { type Option, type Options, printable } from "../kit/declaration.ts";
import { checkFile } from "../kit/file_keys.ts";
import { type Origin, resolve } from "../kit/resolve.ts";
import { didYouMean } from "../kit/suggest.ts";
import { globalOptions } from "../options/global.ts";

/** A setting as `config show` prints it. */
interface Row {
  /** `undefined` for the global options. */
  readonly command: string | undefined;
  readonly option: Option<unknown>;
  readonly origin: Origin;
}

const show = defineSubcommand({
  brief: "Each setting, its value and where it comes from",
  description: "Without COMMAND: the settings of all commands. Secrets are shown as ***.",
  examples: [
    { run: "bskyingest config show", does: "every setting of every command" },
    { run: "bskyingest config show config --json", does: "the settings of one command, a JSON object a line" },
  ],
  positionals: [{ name: "COMMAND", help: "Only the settings of this command" }],
  options: {},
  withoutConfigFile: true,
  async run(context) {
    const rows = await collect(context, context.positionals[0]);
    if (context.globals.json) { for (const row of rows) await context.stdout(JSON.stringify(toJson(row))); }
    else await context.stdout(table(rows));
    return 0;
  },
});

const path = defineSubcommand({
  brief: "The configuration file that is used",
  examples: [{ run: "bskyingest config path", does: "print its name" }],
  options: {},
  withoutConfigFile: true,
  async run(context) {
    const found = context.setup.findFile();
    if (found === undefined) context.stderr("No configuration file is used");
    else await context.stdout(found.path);
    return 0;
  },
});

const check = defineSubcommand({
  brief: "Check the configuration file: exit status 0 or 2",
  examples: [
    { run: "bskyingest config check", does: "check the file that is used" },
    { run: "bskyingest config check new.toml", does: "check another one" },
  ],
  positionals: [{ name: "FILE", help: "The file to check instead of the one that is used", file: true }],
  options: {},
  withoutConfigFile: true,
  async run(context) {
    const [named] = context.positionals;
    const found = named === undefined ? context.setup.findFile() : findNamed(context, named);
    if (found === undefined) {
      context.stderr("No configuration file is used");
      return 0;
    }
    const file = await parseConfig(found.path, found.text);
    const { readFile } = context.setup.sources(file, undefined);
    const faults = await checkFile(file, globalOptions, context.program.registry, readFile);
    if (faults.length > 0) throw new ConfigError(faults as [string]);
    context.stderr(`${found.path}: no faults`);
    return 0;
  },
});

/** The `config` command. */
export const command: CommandGroup = {
  examples: [...show.examples.slice(0, 1), ...check.examples.slice(0, 1)],
  subcommands: { show, path, check },
};

/** Resolves the global options and those of one command, or of all. */
async function collect({ program, setup }: CommandContext, name: string | undefined): Promise<Row[]> {
  const entries = program.registry.filter((entry) => name === undefined || entry.name === name);
  if (entries.length === 0) {
    const names = program.registry.map((entry) => entry.name);
    throw new ConfigError(`Cannot show the settings of "${name}": no such command${didYouMean(name!, names)}`);
  }
  const found = setup.findFile();
  const file = found === undefined ? undefined : await parseConfig(found.path, found.text);
  const rows: Row[] = [];
  const faults = new Set<string>();
  const add = (command: string | undefined, options: Options) => {
    const { origins, faults: wrong } = resolve(options, setup.sources(file, command));
    for (const fault of wrong) faults.add(fault);
    for (const [key, option] of Object.entries(options)) {
      const known = rows.some((row) => row.command === command && row.option.flag === option.flag);
      if (!option.flagOnly && !known) rows.push({ command, option, origin: origins[key]! });
    }
  };
  add(undefined, globalOptions);
  for (const entry of entries) for (const { action } of await targetsOf(entry)) add(entry.name, action.options);
  if (faults.size > 0) throw new ConfigError([...faults] as unknown as [string]);
  return rows;
}

function toJson({ command, option, origin }: Row) {
  const { source, name, text } = origin;
  return {
    command: command ?? null,
    option: option.flag,
    value: jsonValue(option, text),
    origin: source,
    name: name || null,
  };
}

function jsonValue(option: Option<unknown>, text: string): unknown {
  if (text === "") return option.kind === "list" ? [] : null;
  if (option.secret) return "***";
  const plain = option.kind === "number" || option.kind === "toggle" || option.kind === "list";
  return plain && text !== option.defaultText ? option.decode(text) : plain ? option.fallback : printable(option, text);
}

/** One setting a line, under the name of its command. */
function table(rows: readonly Row[]): string {
  const cells = rows.map(({ option, origin }) => ({
    flag: option.flag,
    value: origin.text === "" ? "-" : printable(option, origin.text),
    from: origin.source === "default" ? "default" : `${origin.source} ${origin.name}`,
  }));
  const wide = (key: "flag" | "value") => Math.min(40, Math.max(...cells.map((cell) => cell[key].length)));
  const [flagWidth, valueWidth] = [wide("flag"), wide("value")];
  return rows.flatMap(({ command }, i) => {
    const { flag, value, from } = cells[i]!;
    const heading = i > 0 && rows[i - 1]!.command !== command ? ["", `[${command}]`] : [];
    return [...heading, `${flag.padEnd(flagWidth)}  ${value.padEnd(valueWidth)}  ${from}`];
  }).join("\n");
}

/** A file named on the command line must be there. */
function findNamed({ setup }: CommandContext, path: string) {
  const { env, readFile } = setup.sources(undefined, undefined);
  return findConfigFile(path, { env, readFile });
}
