/**
 * The types of settings: each function declares one.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { make, type Meta, type Option } from "./declaration.ts";
import { didYouMean } from "./suggest.ts";
import { type DurationUnit, parseDuration, parseSize } from "./units.ts";

/** An older variable of ingex: with and without its `GE_` prefix. */
export function ingex(...names: readonly string[]): string[] {
  return names.flatMap((name) => [name, `GE_${name}`]);
}

/** Any text. */
export function text<const D extends string | undefined = undefined>(
  flag: string,
  meta: Meta,
  fallback?: D,
): Option<string | D> {
  return make<string | D>(flag, meta, {
    kind: "text",
    metavar: "TEXT",
    fallback: fallback as D,
    defaultText: fallback,
    decode: (text) => text,
  });
}

/** The name of a file or folder. */
export function path<const D extends string | undefined = undefined>(
  flag: string,
  meta: Meta,
  fallback?: D,
): Option<string | D> {
  return make<string | D>(flag, meta, {
    kind: "path",
    metavar: "FILE",
    fallback: fallback as D,
    defaultText: fallback,
    decode: (text) => text,
  });
}

/** A password, key or token: never printed, also read from a file. */
export function secret(flag: string, meta: Meta): Option<string | undefined> {
  return make<string | undefined>(flag, meta, {
    kind: "text",
    metavar: "SECRET",
    secret: true,
    fromFile: true,
    fallback: undefined,
    decode: (text) => text,
  });
}

/** A URL of one of the protocols (`["ws:", "wss:"]`); printed with its password as `***`. */
export function url<const D extends string | undefined = undefined>(
  flag: string,
  meta: Meta & { readonly protocols: readonly string[]; readonly fromFile?: boolean },
  fallback?: D,
): Option<string | D> {
  const { protocols } = meta;
  return make<string | D>(flag, meta, {
    kind: "url",
    metavar: "URL",
    fromFile: meta.fromFile ?? false,
    fallback: fallback as D,
    defaultText: fallback,
    decode(text) {
      if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
        throw new ConfigError(`it must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`);
      }
      return text;
    },
  });
}

/** The bounds of a number, both inclusive. */
export interface RangeMeta extends Meta {
  readonly min?: number;
  readonly max?: number;
}

/** A whole number; from 0 on if nothing else is said. */
export function integer<const D extends number | undefined = undefined>(
  flag: string,
  meta: RangeMeta,
  fallback?: D,
): Option<number | D> {
  return numeric(flag, meta, fallback as D, /^[+-]?\d+$/, "an integer", Number.MAX_SAFE_INTEGER);
}

/** A number; from 0 on if nothing else is said. */
export function number<const D extends number | undefined = undefined>(
  flag: string,
  meta: RangeMeta,
  fallback?: D,
): Option<number | D> {
  return numeric(flag, meta, fallback as D, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a number", Number.MAX_VALUE);
}

function numeric<D extends number | undefined>(
  flag: string,
  meta: RangeMeta,
  fallback: D,
  syntax: RegExp,
  what: string,
  most: number,
): Option<number | D> {
  const { min = 0, max = most } = meta;
  const range = max === most ? `${what} of at least ${min}` : `${what} from ${min} to ${max}`;
  return make<number | D>(flag, meta, {
    kind: "number",
    metavar: "N",
    fallback,
    defaultText: fallback === undefined ? undefined : String(fallback),
    decode(text) {
      const value = Number(text);
      if (!syntax.test(text.trim()) || value < min || value > max) throw new ConfigError(`it must be ${range}`);
      return value;
    },
  });
}

/** A switch. `--no-x` switches it off (of a switch that is itself called `no-x`, `--x` does). */
export function toggle(flag: string, meta: Meta, fallback = false): Option<boolean> {
  return make(flag, meta, {
    kind: "toggle",
    fallback,
    defaultText: fallback ? "on" : undefined,
    decode: decodeBoolean,
  });
}

/** `true`, `1`, `yes`, `on` and their opposites. */
export function decodeBoolean(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  if (["false", "0", "no", "off"].includes(word)) return false;
  throw new ConfigError("it must be true or false");
}

/** One of some words. */
export function choice<const C extends string, const D extends NoInfer<C> | undefined = undefined>(
  flag: string,
  meta: Meta,
  choices: readonly C[],
  fallback?: D,
): Option<C | D> {
  return make<C | D>(flag, meta, {
    kind: "choice",
    metavar: choices.join("|"),
    choices,
    fallback: fallback as D,
    defaultText: fallback,
    decode: (text) => decodeChoice(text, choices),
  });
}

function decodeChoice<C extends string>(text: string, choices: readonly C[]): C {
  const hit = choices.find((c) => c === text.trim());
  if (hit === undefined) throw new ConfigError(`it must be one of ${choices.join(", ")}${didYouMean(text, choices)}`);
  return hit;
}

/** Several texts: the flag again and again, or commas. Trimmed, empty ones dropped. */
export function list<const C extends string = string>(
  flag: string,
  meta: Meta & { readonly choices?: readonly C[] },
  fallback: readonly NoInfer<C>[] = [],
): Option<readonly C[]> {
  const { choices } = meta;
  return make<readonly C[]>(flag, meta, {
    kind: "list",
    metavar: "A,B",
    ...(choices === undefined ? {} : { choices }),
    fallback,
    defaultText: fallback.length === 0 ? undefined : fallback.join(","),
    decode(text) {
      const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
      if (items.length === 0) throw new ConfigError("it names nothing");
      return choices === undefined ? items as C[] : items.map((item) => decodeChoice(item, choices));
    },
  });
}

/** A length of time, in milliseconds. The default is written as a user would; a bare number is in `unit`. */
export function duration<const D extends string | undefined = undefined>(
  flag: string,
  meta: RangeMeta & { readonly unit?: DurationUnit },
  fallback?: D,
): Option<D extends string ? number : number | undefined> {
  return measure(flag, meta, "duration", "DUR", fallback, "a duration such as 500ms, 30s, 5m, 2h or 30d", (text) => {
    return parseDuration(text, meta.unit);
  });
}

/** A number of bytes. The default is written as a user would (`64KiB`). */
export function size<const D extends string | undefined = undefined>(
  flag: string,
  meta: RangeMeta,
  fallback?: D,
): Option<D extends string ? number : number | undefined> {
  return measure(flag, meta, "size", "SIZE", fallback, "a size such as 65536, 64KiB or 5MB", parseSize);
}

function measure<D extends string | undefined>(
  flag: string,
  meta: RangeMeta,
  kind: "duration" | "size",
  metavar: string,
  fallback: D | undefined,
  what: string,
  parse: (text: string) => number | undefined,
): Option<D extends string ? number : number | undefined> {
  type T = D extends string ? number : number | undefined;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = meta;
  const unit = kind === "duration" ? "ms" : "bytes";
  return make<T>(flag, meta, {
    kind,
    metavar,
    fallback: (fallback === undefined ? undefined : parse(fallback)) as T,
    defaultText: fallback,
    decode(text) {
      const value = parse(text);
      if (value === undefined) throw new ConfigError(`it must be ${what}`);
      if (value < min) throw new ConfigError(`it must be at least ${min} ${unit}`);
      if (value > max) throw new ConfigError(`it must be at most ${max} ${unit}`);
      return value as T;
    },
  });
}

/** A text with a syntax of its own: `decode` throws a `ConfigError` that holds only the reason ("it must be ..."). */
export function parsed<T>(
  flag: string,
  meta: Meta,
  decode: (text: string) => T,
  fallback?: string,
): Option<T | undefined> {
  return make<T | undefined>(flag, meta, {
    kind: "parsed",
    metavar: "TEXT",
    fallback: fallback === undefined ? undefined : decode(fallback),
    defaultText: fallback,
    decode,
  });
}
