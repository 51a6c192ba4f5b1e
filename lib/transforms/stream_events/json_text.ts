/**
 * JSON text of values of any depth, which `JSON.stringify` fails on, and in the style of rsky-ingester.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** `rsky`: members in the order of their names' code points, bytes as arrays of numbers. */
export type JsonStyle = "plain" | "rsky";

/** An object or array whose text has begun. */
interface Open {
  readonly value: Record<string, unknown>;
  /** Names that are to come, the next one last. */
  readonly left: string[];
  readonly close: "}" | "]";
  first: boolean;
}

/** The text of a JSON value. Members without a value are left out. (Copies with sorted keys would not do: `"10"` is before `"9"` in any.) */
export function jsonText(root: unknown, style: JsonStyle = "plain"): string {
  let text = "";
  const stack: Open[] = [];
  const begin = (value: unknown) => {
    if (typeof value !== "object" || value === null) text += JSON.stringify(value);
    else if (style === "rsky" && isBytes(value)) text += `[${Buffer.from(value.$bytes, "base64").join(",")}]`;
    else {
      const open = openOf(value as Record<string, unknown>, style);
      text += open.close === "]" ? "[" : "{";
      stack.push(open);
    }
  };
  begin(root);
  for (let open; (open = stack.at(-1));) {
    const name = open.left.pop();
    if (name === undefined) {
      text += open.close;
      stack.pop();
      continue;
    }
    if (!open.first) text += ",";
    open.first = false;
    if (open.close === "}") text += `${JSON.stringify(name)}:`;
    begin(open.value[name]);
  }
  return text;
}

/** The same in style `plain`, the fast way where that can be: it is not made for values that are nested by the thousands. */
export function plainJsonText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return jsonText(value);
  }
}

function openOf(value: Record<string, unknown>, style: JsonStyle): Open {
  const close = Array.isArray(value) ? "]" : "}";
  const names = Object.keys(value);
  const left = close === "]" ? names : names.filter((name) => value[name] !== undefined);
  // The order of code units, which is quick, is that of code points where no name has one above U+FFFF.
  if (close === "}" && style === "rsky") left.sort(left.some(hasSurrogate) ? byCodePoint : undefined);
  return { value, left: left.reverse(), close, first: true };
}

function isBytes(value: object): value is { $bytes: string } {
  return "$bytes" in value && typeof value.$bytes === "string" && Object.keys(value).length === 1;
}

function hasSurrogate(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

/** The first code unit in which two texts differ decides, and half of a code point above U+FFFF stands above every other unit. */
function byCodePoint(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
