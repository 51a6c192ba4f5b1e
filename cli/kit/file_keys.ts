/**
 * Whether what the configuration file says makes sense to any command.
 *
 * @module
 */
import { type RegistryEntry, type Target, targetsOf } from "./command.ts";
import { type ConfigFile, lookup } from "./config_file.ts";
import type { Options } from "./declaration.ts";
import { resolve, type Sources } from "./resolve.ts";
import { didYouMean } from "./suggest.ts";

/** The keys that a set of options has in the configuration file. */
export function fileKeys(...sets: readonly Options[]): string[] {
  return sets.flatMap((set) => Object.values(set)).filter((option) => option.inFile).flatMap((option) => {
    return option.fromFile ? [option.flag, `${option.flag}-file`] : [option.flag];
  });
}

/** Faults about keys and sections that nobody knows. The other commands are only loaded if the file has something for them. */
export async function unknownKeys(
  file: ConfigFile,
  globals: Options,
  own: Target | undefined,
  registry: readonly RegistryEntry[],
): Promise<string[]> {
  if (own !== undefined) {
    const keys = new Set(fileKeys(globals, own.action.options));
    const used = [...Object.keys(file.top), ...Object.values(file.sections).flatMap(Object.keys)];
    const sectionsAreOwn = Object.keys(file.sections).every((name) => name === own.path[0]);
    if (sectionsAreOwn && used.every((key) => keys.has(key))) return [];
  }
  const known = new Map<string, Set<string>>();
  for (const entry of registry) {
    const targets = await targetsOf(entry);
    known.set(entry.name, new Set(fileKeys(globals, ...targets.map(({ action }) => action.options))));
  }
  const faults: string[] = [];
  const all = new Set([...fileKeys(globals), ...[...known.values()].flatMap((keys) => [...keys])]);
  for (const key of Object.keys(file.top)) {
    if (all.has(key)) continue;
    faults.push(`Cannot use key "${key}" in ${file.place(undefined, key)}: no such option${didYouMean(key, all)}`);
  }
  for (const [name, section] of Object.entries(file.sections)) {
    const keys = known.get(name);
    if (keys === undefined) {
      const place = file.place(name, undefined);
      faults.push(`Cannot use section "[${name}]" in ${place}: no such command${didYouMean(name, known.keys())}`);
      continue;
    }
    for (const key of Object.keys(section)) {
      if (keys.has(key)) continue;
      const place = file.place(name, key);
      faults.push(`Cannot use key "${key}" in ${place}: "${name}" has no such option${didYouMean(key, keys)}`);
    }
  }
  return faults;
}

/** Every fault of a file: unknown keys, and values that one of the commands cannot use. */
export async function checkFile(
  file: ConfigFile,
  globals: Options,
  registry: readonly RegistryEntry[],
  readFile: Sources["readFile"],
): Promise<string[]> {
  const faults = new Set(await unknownKeys(file, globals, undefined, registry));
  const check = (options: Options, section: string | undefined) => {
    const sources = { flags: new Map(), env: () => undefined, file: lookup(file, section), readFile };
    for (const fault of resolve(options, sources).faults) faults.add(fault);
  };
  check(globals, undefined);
  for (const entry of registry) {
    for (const { action } of await targetsOf(entry)) check({ ...globals, ...action.options }, entry.name);
  }
  return [...faults];
}
