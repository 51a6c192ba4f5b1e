/**
 * The command line, cut into flags and positionals; values are not looked at yet.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { negation, type Option, type Options } from "./declaration.ts";
import { didYouMean } from "./suggest.ts";

/** A flag as it was given; of a list, all its values joined by commas. */
export interface Flag {
  /** As the user spelled it (`-n`, `--num-records`). */
  readonly name: string;
  readonly text: string;
}

/** What the command line says. */
export interface Arguments {
  /** By the option's long name; a secret's file by `x-file`. */
  readonly flags: ReadonlyMap<string, Flag>;
  readonly positionals: readonly { readonly text: string; readonly index: number }[];
  readonly faults: readonly string[];
}

/** What a long name stands for. */
interface Name {
  readonly option: Option<unknown>;
  /** Under which it is kept. */
  readonly key: string;
  readonly takesValue: boolean;
  /** What a switch becomes. */
  readonly text?: "true" | "false";
}

/** Every long spelling of the options. */
function namesOf(options: Options): Map<string, Name> {
  const names = new Map<string, Name>();
  for (const option of Object.values(options)) {
    const isToggle = option.kind === "toggle";
    for (const name of [option.flag, ...option.aliases]) {
      names.set(name, { option, key: option.flag, takesValue: !isToggle, ...(isToggle ? { text: "true" } : {}) });
    }
    if (option.fromFile) names.set(`${option.flag}-file`, { option, key: `${option.flag}-file`, takesValue: true });
  }
  for (const option of Object.values(options)) {
    if (option.kind !== "toggle" || names.has(negation(option))) continue;
    names.set(negation(option), { option, key: option.flag, takesValue: false, text: "false" });
  }
  return names;
}

/** The tokens of a command line, with the single-dash spellings of Go tools (`-dry-run`) understood. */
function tokenize(args: readonly string[], options: Options, names: ReadonlyMap<string, Name>) {
  const end = args.indexOf("--");
  const spelled = args.map((arg, i) => {
    const name = /^-([a-z][a-z0-9-]+)(=|$)/.exec(arg)?.[1];
    return name !== undefined && names.has(name) && (end < 0 || i < end) ? `-${arg}` : arg;
  });
  const spec: Record<string, { type: "string" | "boolean"; short?: string; multiple: true }> = {};
  for (const [name, { takesValue }] of names) spec[name] = { type: takesValue ? "string" : "boolean", multiple: true };
  for (const { flag, short } of Object.values(options)) if (short !== undefined) spec[flag]!.short = short;
  return parseArgs({ args: spelled, options: spec, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** Parses `args`; what is wrong with them is in `faults`. */
export function parseArguments(args: readonly string[], options: Options): Arguments {
  const names = namesOf(options);
  const flags = new Map<string, Flag>();
  const positionals: { text: string; index: number }[] = [];
  const faults = new Set<string>();
  for (const token of tokenize(args, options, names)) {
    if (token.kind === "positional") positionals.push({ text: token.value, index: token.index });
    if (token.kind !== "option") continue;
    const name = names.get(token.name);
    if (name === undefined) {
      const rawName = args[token.index]!.split("=")[0]!;
      faults.add(`Cannot use option "${rawName}": no such option${didYouMean(token.name, names.keys(), "--")}`);
      continue;
    }
    const fault = take(flags, name, token);
    if (fault !== undefined) faults.add(`Cannot use option "${token.rawName}": ${fault}`);
  }
  return { flags, positionals, faults: [...faults] };
}

/** Notes a flag, or says what is wrong with it. */
function take(
  flags: Map<string, Flag>,
  { option, key, takesValue, text }: Name,
  token: { readonly rawName: string; readonly value: string | undefined; readonly inlineValue: boolean | undefined },
): string | undefined {
  const { rawName, value } = token;
  if (!takesValue && value !== undefined) return `it takes no value, "--${negation(option)}" is its opposite`;
  const before = flags.get(key);
  if (takesValue) {
    // The next option is not a value; `-5` may be one, and `-` is standard input or output.
    const missing = value === undefined || value === "" || (!token.inlineValue && /^-[^\d.]/.test(value));
    if (missing) return "a value is required";
  }
  if (before !== undefined && option.kind !== "list") return "it is given more than once";
  flags.set(key, { name: rawName, text: text ?? (before === undefined ? value! : `${before.text},${value}`) });
  return undefined;
}
