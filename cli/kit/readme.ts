/**
 * The option tables of the README.
 *
 * @module
 */
import { type Option, type Options, printable } from "./declaration.ts";
import { describe, spelling } from "./help.ts";

const BLOCK = /(<!-- options:([a-z -]+) -->\n)[\s\S]*?(<!-- \/options -->)/g;

/** A markdown table of options: option, default, older environment names, meaning. */
export function optionTable(options: Options): string {
  const rows = Object.values(options).map((option) => {
    const older = option.env.map((env) => `\`${typeof env === "string" ? env : env.name}\``).join(", ");
    return `| ${spelled(option)} | ${shownDefault(option)} | ${older} | ${escape(describe(option))} |`;
  });
  return ["| option | default | older environment names | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

/**
 * Puts the tables between `<!-- options:NAME -->` and `<!-- /options -->` up to date.
 *
 * @param find The options under a name: a command's, or `global`.
 */
export async function updateTables(readme: string, find: (name: string) => Promise<Options>): Promise<string> {
  const tables = new Map<string, string>();
  for (const [, , name] of readme.matchAll(BLOCK)) tables.set(name!, optionTable(await find(name!)));
  return readme.replaceAll(BLOCK, (_, start: string, name: string, end: string) => {
    return `${start}\n${tables.get(name)}\n\n${end}`;
  });
}

function spelled(option: Option<unknown>): string {
  return `\`${option.short === undefined ? "" : `-${option.short}, `}${escape(spelling(option))}\``;
}

function shownDefault(option: Option<unknown>): string {
  return option.defaultText === undefined ? "" : `\`${escape(printable(option, option.defaultText))}\``;
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}
