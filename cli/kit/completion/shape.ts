/**
 * What the completion scripts of all shells are made of.
 *
 * @module
 */
import { type Program, type RegistryEntry, targetsOf } from "../command.ts";
import { negation, type Option, type Options } from "../declaration.ts";

/** What can follow an option, or stand as an argument: one of some words, a file, or something only the user knows. */
export type Value = { readonly words: readonly string[] } | "file" | "any";

/** An option as a shell sees it. */
export interface Flag {
  /** With their dashes: `--sink`, `-c`. */
  readonly names: readonly string[];
  readonly help: string;
  readonly value: Value | undefined;
}

/** A word that names a command or subcommand. */
export interface Word {
  readonly name: string;
  readonly help: string;
}

/** A place on the command line: the program, a command, a subcommand. */
export interface Place {
  /** The words that lead here, `""` for the program. */
  readonly path: string;
  /** The words that lead on. */
  readonly words: readonly Word[];
  readonly flags: readonly Flag[];
  /** What an argument may be. */
  readonly argument: Value | undefined;
}

/** Every place of the program; loads the declarations of every command. */
export async function placesOf(program: Program, globals: Options): Promise<Place[]> {
  const flags = flagsOf(globals);
  const words = program.registry.map(({ name, brief }) => ({ name, help: brief }));
  const places: Place[] = [
    { path: "", words: [...words, { name: "help", help: "Help of a command" }], flags, argument: undefined },
    { path: "help", words: [], flags: [], argument: { words: words.map(({ name }) => name) } },
  ];
  for (const entry of program.registry) places.push(...await commandPlaces(entry, flags, words));
  return places;
}

async function commandPlaces(
  entry: RegistryEntry,
  globals: readonly Flag[],
  commands: readonly Word[],
): Promise<Place[]> {
  const targets = await targetsOf(entry);
  const places = targets.map(({ path, action }): Place => {
    const [first] = action.positionals ?? [];
    const argument = first === undefined
      ? undefined
      : first.choices !== undefined
      ? { words: first.choices }
      : first.name === "COMMAND"
      ? { words: commands.map(({ name }) => name) }
      : first.file
      ? "file"
      : "any";
    return { path: path.join(" "), words: [], flags: [...flagsOf(action.options), ...globals], argument };
  });
  const words = targets.filter(({ path }) => path.length > 1).map(({ path, brief }) => ({
    name: path[1]!,
    help: brief,
  }));
  if (words.length === 0) return places;
  return [{ path: entry.name, words, flags: globals, argument: undefined }, ...places];
}

function flagsOf(options: Options): Flag[] {
  return Object.values(options).flatMap((option) => {
    const flag = { names: namesOf(option), help: option.help, value: valueOf(option) };
    if (!option.fromFile) return [flag];
    return [flag, { names: [`--${option.flag}-file`], help: `${option.help}, from a file`, value: "file" as const }];
  });
}

function namesOf(option: Option<unknown>): string[] {
  const long = option.kind === "toggle" && option.fallback ? negation(option) : option.flag;
  return option.short === undefined ? [`--${long}`] : [`--${long}`, `-${option.short}`];
}

function valueOf(option: Option<unknown>): Value | undefined {
  if (option.kind === "toggle") return undefined;
  if (option.choices !== undefined) return { words: option.choices };
  return option.kind === "path" ? "file" : "any";
}

/** The options, in any place, whose next word is their value. */
export function valueFlags(places: readonly Place[]): string[] {
  const flags = places.flatMap((place) => place.flags).filter((flag) => flag.value !== undefined);
  return [...new Set(flags.flatMap((flag) => flag.names))];
}

/** Text in single quotes, for a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
