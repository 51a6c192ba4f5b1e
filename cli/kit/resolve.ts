/**
 * The value of each setting and where it came from: flag, `BSKYINGEST_*` variable, older variable, configuration file, default.
 *
 * @module
 */
import { ConfigError, messageOf } from "../../lib/pipeline/errors.ts";
import type { Flag } from "./arguments.ts";
import { systemReason } from "./terminal.ts";
import { envName, type Option, type Options, printable, type Values } from "./declaration.ts";

/** Where a value can come from, strongest first. */
export type Source = "flag" | "env" | "file" | "default";

/** Where a value came from. */
export interface Origin {
  readonly source: Source;
  /** The flag, the variable, or file and line; empty for a default. */
  readonly name: string;
  /** What was written there. */
  readonly text: string;
}

/** A key of the configuration file. */
export interface FileEntry {
  readonly value: unknown;
  /** File and line. */
  readonly place: string;
}

/** What the settings are read from. */
export interface Sources {
  readonly flags: ReadonlyMap<string, Flag>;
  readonly env: (name: string) => string | undefined;
  /** Looks a key up in the configuration file. */
  readonly file: (key: string) => FileEntry | undefined;
  /** Reads the file that holds a secret. */
  readonly readFile: (path: string) => string;
}

/** Values with their origins; `faults` says what is wrong, and then the values must not be used. */
export interface Resolved<O extends Options> {
  readonly values: Values<O>;
  readonly origins: { readonly [K in keyof O]: Origin };
  readonly faults: readonly string[];
}

/** One place that sets an option. */
interface Candidate {
  readonly source: "flag" | "env" | "file";
  /** For the origin. */
  readonly name: string;
  /** For messages: the option or the variable. */
  readonly label: string;
  /** For messages: file and line. */
  readonly place?: string;
  /** The text (or the value of the configuration file) as written. */
  readonly written: unknown;
  readonly read: () => string;
}

/** Finds every option's value. */
export function resolve<O extends Options>(options: O, sources: Sources): Resolved<O> {
  const faults: string[] = [];
  const found = new Map<string, Candidate>();
  for (const option of Object.values(options)) {
    const hit = strongest(option, sources, faults);
    if (hit !== undefined) found.set(option.flag, hit);
  }
  settleConflicts(options, found, faults);
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const [key, option] of Object.entries(options)) {
    const hit = found.get(option.flag);
    values[key] = option.fallback;
    origins[key] = {
      source: "default",
      name: "",
      text: option.defaultText ?? (option.kind === "toggle" ? "false" : ""),
    };
    if (hit === undefined) continue;
    try {
      const text = hit.read();
      values[key] = option.decode(text);
      origins[key] = { source: hit.source, name: hit.name, text };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      faults.push(faultText(option, hit, error.message));
    }
  }
  return { values, origins, faults } as unknown as Resolved<O>;
}

/** `Cannot use --batch-size "x": it must be ...`, without the text of a secret. */
function faultText(option: Option<unknown>, { label, place, written }: Candidate, reason: string): string {
  const text = typeof written === "string" ? written : JSON.stringify(written);
  const shown = option.secret ? "" : ` "${printable(option, text)}"`;
  return `Cannot use ${label}${shown}${place === undefined ? "" : ` in ${place}`}: ${reason}`;
}

/** The strongest place that sets the option. */
function strongest(option: Option<unknown>, sources: Sources, faults: string[]): Candidate | undefined {
  const flag = sources.flags.get(option.flag);
  const flagFile = sources.flags.get(`${option.flag}-file`);
  if (flag !== undefined && option.fromFile && flagFile !== undefined) {
    faults.push(`Cannot use ${flag.name} together with ${flagFile.name}: they exclude each other`);
  }
  if (flag !== undefined) return plain("flag", flag.name, flag.text);
  if (option.fromFile && flagFile !== undefined) return secretFile("flag", flagFile.name, flagFile.text, sources);
  if (!option.flagOnly) {
    for (const name of [envName(option), ...option.env]) {
      const hit = variable(option, name, sources);
      if (hit !== undefined) return hit;
    }
  }
  return option.inFile ? fileEntry(option, sources) : undefined;
}

/** What a variable (or the one that ends in `_FILE`) says; an empty one says nothing. */
function variable(
  option: Option<unknown>,
  env: Option<unknown>["env"][number],
  sources: Sources,
): Candidate | undefined {
  const name = typeof env === "string" ? env : env.name;
  const text = sources.env(name);
  if (text !== undefined && text !== "") {
    if (typeof env === "string") return plain("env", name, text);
    try {
      const translated = env.read(text);
      return translated === undefined ? undefined : { ...plain("env", name, text), read: () => translated };
    } catch (error) {
      return { ...plain("env", name, text), read: () => fail(messageOf(error)) };
    }
  }
  const file = option.fromFile ? sources.env(`${name}_FILE`) : undefined;
  return file === undefined || file === "" ? undefined : secretFile("env", `${name}_FILE`, file, sources);
}

function fileEntry(option: Option<unknown>, sources: Sources): Candidate | undefined {
  const entry = sources.file(option.flag);
  if (entry !== undefined) {
    const { value, place } = entry;
    return {
      source: "file",
      name: place,
      label: option.flag,
      place,
      written: value,
      read: () => fileText(option, value),
    };
  }
  const key = `${option.flag}-file`;
  const file = option.fromFile ? sources.file(key) : undefined;
  if (file === undefined) return undefined;
  const read = () => typeof file.value === "string" ? readSecret(file.value, sources) : fail("it must be a string");
  return { source: "file", name: file.place, label: key, place: file.place, written: file.value, read };
}

function plain(source: "flag" | "env", name: string, text: string): Candidate {
  return { source, name, label: name, written: text, read: () => text };
}

function secretFile(source: "flag" | "env", name: string, file: string, sources: Sources): Candidate {
  return { source, name, label: name, written: file, read: () => readSecret(file, sources) };
}

function readSecret(file: string, sources: Sources): string {
  let text: string;
  try {
    text = sources.readFile(file).trim();
  } catch (error) {
    return fail(`the file "${file}" cannot be read (${systemReason(error)})`);
  }
  return text === "" ? fail(`the file "${file}" is empty`) : text;
}

/** The text of a value of the configuration file, whose type must suit the option. */
export function fileText(option: Option<unknown>, value: unknown): string {
  switch (option.kind) {
    case "toggle":
      return typeof value === "boolean" ? String(value) : fail("it must be true or false, without quotes");
    case "number":
      return typeof value === "number" ? String(value) : fail("it must be a number, without quotes");
    case "duration":
    case "size":
      return typeof value === "number" || typeof value === "string" ? String(value) : fail("it must be a string");
    case "parsed":
      if (value instanceof Date) return value.toISOString();
      return typeof value === "number" || typeof value === "string" ? String(value) : fail("it must be a string");
    case "list":
      if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(",");
      return typeof value === "string" ? value : fail("it must be a list of strings");
    default:
      return typeof value === "string" ? value : fail("it must be a string");
  }
}

function fail(reason: string): never {
  throw new ConfigError(reason);
}

/** Two options that exclude each other: of unequal strength the weaker falls away, of equal strength it is a fault. */
function settleConflicts(options: Options, found: Map<string, Candidate>, faults: string[]): void {
  const strength = ["flag", "env", "file"];
  for (const { flag, conflicts } of Object.values(options)) {
    for (const other of conflicts) {
      const [a, b] = [found.get(flag), found.get(other)];
      if (a === undefined || b === undefined) continue;
      const difference = strength.indexOf(a.source) - strength.indexOf(b.source);
      if (difference === 0) faults.push(`Cannot use ${a.label} together with ${b.label}: they exclude each other`);
      found.delete(difference > 0 ? flag : other);
    }
  }
}
