/**
 * Help texts, made from the declarations.
 *
 * @module
 */
import { type CommandGroup, type Example, GROUPS, type Positional, type Program, type Target } from "./command.ts";
import { envNames, type Option, type Options } from "./declaration.ts";

/** How help looks. */
export interface HelpStyle {
  /** Everything, or only what is used often. */
  readonly full: boolean;
  /** In characters. */
  readonly width: number;
  readonly color: boolean;
}

/** The column at which explanations begin. */
const INDENT = 30;

/** Help of the program itself. */
export function programHelp(program: Program, globals: Options, tagline: string, style: HelpStyle): string {
  const out = [
    ...wrap(tagline, "", style.width),
    "",
    ...section("Examples", style, exampleLines(program.examples, style)),
    ...usageLines("COMMAND", style),
  ];
  for (const group of GROUPS) {
    const members = program.registry.filter((entry) => entry.group === group);
    const lines = members.flatMap((entry) => columns(`  ${entry.name}`, entry.brief, style.width, 17));
    if (members.length > 0) out.push(...section(group, style, lines));
  }
  out.push(...optionSections([globals], style));
  if (style.full) out.push(...section("Settings", style, SETTINGS.flatMap((text) => wrap(text, "  ", style.width))));
  const more = `See "bskyingest help COMMAND" for one command${
    style.full ? "" : `, "bskyingest --help" for everything`
  }`;
  out.push(...wrap(more, "", style.width));
  return out.join("\n");
}

const SETTINGS = [
  "Strongest first: the flag; BSKYINGEST_<OPTION> in the environment (--log-level is BSKYINGEST_LOG_LEVEL); the older names " +
  "in the help of each command; the configuration file, where keys are option names; the default.",
  "Exit status: 0 done, 1 failed, 2 something to correct, 3 done but some events were put aside, 75 another instance is running.",
];

/** Help of something that can be run. */
export function targetHelp({ path, brief, action }: Target, globals: Options, style: HelpStyle): string {
  const name = path.join(" ");
  const positionals = action.positionals ?? [];
  const out = [...wrap(`bskyingest ${name}: ${brief}`, "", style.width), ""];
  out.push(...section("Examples", style, exampleLines(action.examples, style)));
  out.push(...usageLines([name, ...positionals.map(spelled)].join(" "), style));
  if (style.full && action.description !== undefined) out.push(...wrap(action.description, "", style.width), "");
  const lines = positionals.flatMap((each) => columns(`  ${each.name}`, withChoices(each), style.width, INDENT));
  if (lines.length > 0) out.push(...section("Arguments", style, lines));
  out.push(...optionSections([action.options, globals], style));
  if (!style.full) out.push(`See "bskyingest ${name} --help" for every option`);
  return out.join("\n").trimEnd();
}

/** Help of a command that only has subcommands. */
export function groupHelp(name: string, brief: string, command: CommandGroup, style: HelpStyle): string {
  const subcommands = Object.entries(command.subcommands);
  const out = [...wrap(`bskyingest ${name}: ${brief}`, "", style.width), ""];
  out.push(...section("Examples", style, exampleLines(command.examples, style)));
  out.push(...usageLines(`${name} ${subcommands.map(([each]) => each).join("|")}`, style));
  if (style.full && command.description !== undefined) out.push(...wrap(command.description, "", style.width), "");
  const lines = subcommands.flatMap(([each, action]) => columns(`  ${each}`, action.brief, style.width, 17));
  out.push(...section("Subcommands", style, lines));
  out.push(`See "bskyingest ${name} ${subcommands[0]?.[0]} --help" and so on for their options`);
  return out.join("\n");
}

function spelled({ name, required, repeatable }: Positional): string {
  const one = repeatable ? `${name}...` : name;
  return required ? one : `[${one}]`;
}

function withChoices({ help, choices }: Positional): string {
  return choices === undefined ? help : `${help}: ${choices.join(", ")}`;
}

function usageLines(rest: string, style: HelpStyle): string[] {
  return [`${heading("Usage", style)} bskyingest ${rest} [OPTION...]`, ""];
}

function heading(title: string, style: HelpStyle): string {
  return style.color ? `\x1b[1m${title}:\x1b[0m` : `${title}:`;
}

function section(title: string, style: HelpStyle, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [heading(title, style), ...lines, ""];
}

function exampleLines(examples: readonly Example[], style: HelpStyle): string[] {
  return examples.flatMap(({ run, does }) => [`  ${run}`, ...wrap(does, "      ", style.width)]);
}

/** The options under their headings, in the order of their declaration. */
function optionSections(sets: readonly Options[], style: HelpStyle): string[] {
  const shown = sets.flatMap((set) => Object.values(set)).filter((option) => style.full || option.common);
  return [...Map.groupBy(shown, (option) => option.group)].flatMap(([group, members]) => {
    return section(group, style, members.flatMap((option) => optionLines(option, style)));
  });
}

function optionLines(option: Option<unknown>, style: HelpStyle): string[] {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  const tail = [describe(option)];
  if (option.defaultText !== undefined) tail.push(`[default: ${option.defaultText}]`);
  if (style.full && !option.flagOnly) tail.push(`[env: ${envNames(option).join(", ")}]`);
  return columns(`  ${short}${spelling(option)}`, tail.join(" "), style.width, INDENT);
}

/** The flag with its value, as help shows it; of a switch that is on, also what switches it off. */
export function spelling(option: Option<unknown>): string {
  if (option.kind === "toggle") return option.fallback ? `--[no-]${option.flag}` : `--${option.flag}`;
  return `--${option.flag} ${option.metavar ?? "VALUE"}`;
}

/** The help with what the spelling does not say: the choices, and that a file may hold the value. */
export function describe(option: Option<unknown>): string {
  const choices = option.choices === undefined || option.metavar === option.choices.join("|")
    ? ""
    : `: ${option.choices.join(", ")}`;
  const file = option.fromFile ? `; --${option.flag}-file FILE reads it from a file` : "";
  return `${option.help}${choices}${file}`;
}

function columns(head: string, body: string, width: number, indent: number): string[] {
  const lines = wrap(body, " ".repeat(indent), width);
  if (head.length + 2 > indent) return [head, ...lines];
  return [head.padEnd(indent) + lines[0]!.slice(indent), ...lines.slice(1)];
}

/** Breaks text into lines; a word that is too long keeps its own. */
function wrap(text: string, indent: string, width: number): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line !== indent && line.length + word.length + 1 > width) {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line];
}
