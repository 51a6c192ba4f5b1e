/**
 * What a setting is: one declaration gives flag, short form, environment names, key in the configuration file, type, range, default,
 * help and completion.
 *
 * @module
 */
import { redactUrl } from "./redact.ts";

/** The prefix of this program's own environment variables. */
export const ENV_PREFIX = "BSKYINGEST_";

/** What a setting is, as far as parsing, completion and the configuration file must know. */
export type Kind = "text" | "number" | "toggle" | "choice" | "list" | "duration" | "size" | "path" | "url" | "parsed";

/** An older tool's variable whose values are not those of the option: `read` translates, `undefined` = says nothing. */
export interface TranslatedEnv {
  readonly name: string;
  readonly read: (text: string) => string | undefined;
}

/** A setting. `T` is what a command gets. */
export interface Option<T> {
  /** The long name without dashes; also the key in the configuration file. */
  readonly flag: string;
  readonly short: string | undefined;
  /** Other long spellings that are accepted and not advertised. */
  readonly aliases: readonly string[];
  /** Older tools' variables; the `BSKYINGEST_` name is derived. */
  readonly env: readonly (string | TranslatedEnv)[];
  readonly kind: Kind;
  readonly metavar: string | undefined;
  readonly help: string;
  /** The heading in the help. */
  readonly group: string;
  /** Shown in the short help too. */
  readonly common: boolean;
  readonly choices: readonly string[] | undefined;
  /** Never printed. */
  readonly secret: boolean;
  /** Also read from a file that `--x-file` or `X_FILE` names. */
  readonly fromFile: boolean;
  /** Flags that cannot be used together with this one. */
  readonly conflicts: readonly string[];
  /** Neither environment nor configuration file set it. */
  readonly flagOnly: boolean;
  /** The configuration file may set it. */
  readonly inFile: boolean;
  readonly fallback: T;
  /** The default as help shows it. */
  readonly defaultText: string | undefined;
  /** Turns text into the value; throws a `ConfigError` that holds only the reason ("it must be ..."). */
  readonly decode: (text: string) => T;
}

/** The settings of a command, by the name that its code uses. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** What the declarations become for the command. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

/** What every declaration may say. */
export interface Meta {
  /** One sentence without a full stop. */
  readonly help: string;
  readonly group?: string;
  readonly short?: string;
  readonly aliases?: readonly string[];
  readonly env?: readonly (string | TranslatedEnv)[];
  readonly metavar?: string;
  readonly common?: boolean;
  readonly conflicts?: readonly string[];
  readonly flagOnly?: boolean;
  readonly inFile?: boolean;
  /** The default in words, where it depends on something else. */
  readonly defaultText?: string;
}

/** What the constructors of `option.ts` add to a `Meta`. */
export interface Shape<T> {
  readonly kind: Kind;
  readonly metavar?: string;
  readonly choices?: readonly string[];
  readonly secret?: boolean;
  readonly fromFile?: boolean;
  readonly fallback: T;
  readonly defaultText?: string | undefined;
  readonly decode: (text: string) => T;
}

/** Puts a declaration together. */
export function make<T>(flag: string, meta: Meta, shape: Shape<T>): Option<T> {
  return {
    flag,
    short: meta.short,
    aliases: meta.aliases ?? [],
    env: meta.env ?? [],
    kind: shape.kind,
    metavar: meta.metavar ?? shape.metavar,
    help: meta.help,
    group: meta.group ?? "Options",
    common: meta.common ?? false,
    choices: shape.choices,
    secret: shape.secret ?? false,
    fromFile: shape.fromFile ?? false,
    conflicts: meta.conflicts ?? [],
    flagOnly: meta.flagOnly ?? false,
    inFile: meta.inFile ?? !meta.flagOnly,
    fallback: shape.fallback,
    defaultText: meta.defaultText ?? shape.defaultText,
    decode: shape.decode,
  };
}

/** The same options as flags alone: for a command that hands them on, while environment and file speak to the other one. */
export function flagsOnly(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([key, option]) => [key, { ...option, flagOnly: true, inFile: false }]),
  );
}

/** `--batch-size` -> `BSKYINGEST_BATCH_SIZE`. */
export function envName(option: Option<unknown>): string {
  return ENV_PREFIX + option.flag.toUpperCase().replaceAll("-", "_");
}

/** Every variable that sets the option, strongest first. */
export function envNames(option: Option<unknown>): string[] {
  if (option.flagOnly) return [];
  return [envName(option), ...option.env.map((name) => typeof name === "string" ? name : name.name)];
}

/** The spelling that switches a switch off. */
export function negation(option: Option<unknown>): string {
  return option.flag.startsWith("no-") ? option.flag.slice(3) : `no-${option.flag}`;
}

/** The setting's text as it may be printed. */
export function printable(option: Option<unknown>, text: string): string {
  if (option.secret) return "***";
  return option.kind === "url" ? redactUrl(text) : text;
}
