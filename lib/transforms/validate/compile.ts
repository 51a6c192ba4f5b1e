/**
 * Lexicon documents (https://atproto.com/specs/lexicon) as schemas of the library that the built-in ones are made with: so
 * documents can refer to those, and one set of rules holds for all.
 *
 * @module
 */
import * as v from "@atcute/lexicons/validations";
import { builtInDefinition } from "./definitions.ts";
import type { Schema } from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;
type Constraint = v.BaseConstraint<never>;
/** References are followed when a schema is used, as they may go in circles. */
type Lazy = () => Schema;

/** A document whose definitions are still to be looked at. */
export interface LexiconDocument {
  /** Where it was read, for messages. */
  readonly file: string;
  /** Its NSID. */
  readonly id: string;
  /** By name; `main` is the one that the NSID alone stands for. */
  readonly defs: Json;
}

/** What a set of documents comes to. */
export interface Compiled {
  /** The records that the documents define, by collection. */
  readonly records: ReadonlyMap<string, Schema>;
  /** What is wrong with which document, one sentence each. */
  readonly faults: readonly string[];
}

/** Where in which document something stands, and what all places share. */
interface Place {
  readonly document: LexiconDocument;
  readonly path: string;
  readonly all: {
    readonly references: Reference[];
    readonly find: (nsid: string, name: string) => Schema | undefined;
    readonly faults: string[];
  };
}

interface Reference {
  readonly at: Place;
  readonly ref: string;
  readonly inUnion: boolean;
  readonly find: () => Schema | undefined;
}

/** Definitions that no record can refer to. */
const PRIMARY: ReadonlySet<unknown> = new Set(["query", "procedure", "subscription", "permission-set"]);

const FORMATS: ReadonlyMap<unknown, () => Schema> = new Map<unknown, () => Schema>([
  ["at-identifier", v.actorIdentifierString],
  ["at-uri", v.resourceUriString],
  ["cid", v.cidString],
  ["datetime", v.datetimeString],
  ["did", v.didString],
  ["handle", v.handleString],
  ["language", v.languageCodeString],
  ["nsid", v.nsidString],
  ["record-key", v.recordKeyString],
  ["tid", v.tidString],
  ["uri", v.genericUriString],
]);

/** Compiles documents that may refer to each other and to the built-in ones; their own definitions win over those. */
export function compileLexicons(documents: readonly LexiconDocument[]): Compiled {
  const own = new Map<string, Map<string, Schema>>();
  const find = (nsid: string, name: string) => own.has(nsid) ? own.get(nsid)!.get(name) : builtInDefinition(nsid, name);
  const all: Place["all"] = { references: [], faults: [], find };
  const records = new Map<string, Schema>();
  for (const document of documents) {
    const definitions = new Map<string, Schema>();
    own.set(document.id, definitions);
    for (const [name, def] of Object.entries(document.defs)) {
      const at: Place = { document, path: `defs.${name}`, all };
      try {
        const schema = definition(def, name, at);
        if (schema === undefined) continue;
        definitions.set(name, schema);
        if ((def as Json).type === "record") records.set(document.id, schema);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        fault(at, "it is nested too deeply");
      }
    }
  }
  for (const { at, ref, inUnion, find } of all.references) {
    const schema = find();
    if (schema === undefined) fault(at, `there is no definition "${ref}"`);
    else if (inUnion && schema.type !== "object" && schema.type !== "record") fault(at, `"${ref}" is no object`);
  }
  return { records, faults: all.faults };
}

/** A definition at the top of a document; `undefined` where nothing in a record can refer to it. */
function definition(def: unknown, name: string, at: Place): Schema | undefined {
  if (!isObject(def)) return void fault(at, "it must be an object");
  const type = name === "main" ? at.document.id : `${at.document.id}#${name}`;
  switch (def.type) {
    case "record":
      if (name !== "main") return void fault(at, "only main can be a record");
      if (!isObject(def.record) || def.record.type !== "object") return void fault(at, "record must be an object");
      return object(def.record, v.literal(type), below(at, "record"));
    case "object":
      return object(def, v.optional(v.literal(type)), at);
    case "token":
      return v.literal(type);
    case "ref":
    case "union":
      return void fault(at, `a ${def.type} must be part of another definition`);
  }
  return PRIMARY.has(def.type) ? undefined : field(def, at)();
}

function object(def: Json, $type: Schema, at: Place): Schema {
  const required = new Set(strings(def, "required", at)), nullable = new Set(strings(def, "nullable", at));
  const { properties = {} } = def;
  if (!isObject(properties)) return failed(at, "properties must be an object")();
  for (const name of required) {
    if (!Object.hasOwn(properties, name)) fault(at, `required names "${name}", which is not among the properties`);
  }
  const shape = { $type };
  for (const [name, property] of Object.entries(properties)) {
    if (name === "$type") continue;
    const value = field(property, below(at, `properties.${name}`));
    const get = () => {
      const schema = nullable.has(name) ? v.nullable(value()) : value();
      return required.has(name) ? schema : v.optional(schema);
    };
    Object.defineProperty(shape, name, { enumerable: true, get });
  }
  return v.object(shape);
}

/** A definition within another one. */
function field(def: unknown, at: Place): Lazy {
  if (!isObject(def)) return failed(at, "it must be an object");
  const fixed = (schema: Schema, ...constraints: readonly Constraint[][]): Lazy => {
    const result = constrained(schema, constraints.flat());
    return () => result;
  };
  switch (def.type) {
    case "boolean":
      return fixed(oneOf(def, "boolean", at) ?? v.boolean());
    case "integer":
      return fixed(oneOf(def, "number", at) ?? v.integer(), limits(def, "minimum", "maximum", v.integerRange, at));
    case "string":
      return fixed(
        oneOf(def, "string", at) ?? text(def, at),
        limits(def, "minLength", "maxLength", v.stringLength, at),
        limits(def, "minGraphemes", "maxGraphemes", v.stringGraphemes, at),
      );
    case "bytes":
      return fixed(v.bytes(), limits(def, "minLength", "maxLength", v.bytesSize, at));
    case "cid-link":
      return fixed(v.cidLink());
    case "blob":
      return fixed(v.blob(), blobLimits(def, at));
    case "unknown":
      return fixed(v.unknown());
    case "array":
      return fixed(
        v.array(field(def.items, below(at, "items"))),
        limits(def, "minLength", "maxLength", v.arrayLength, at),
      );
    case "ref":
      return reference(def.ref, at);
    case "union":
      return union(def, at);
    default:
      return failed(at, `there is no type ${JSON.stringify(def.type) ?? "given"}`);
  }
}

function union(def: Json, at: Place): Lazy {
  const refs = strings(def, "refs", at);
  if (refs === undefined) return failed(at, "refs must be an array of strings");
  const members = refs.map((ref) => reference(ref, at, true));
  return () => v.variant(members.map((member) => member() as v.ObjectSchema), def.closed === true) as Schema;
}

function reference(ref: unknown, at: Place, inUnion = false): Lazy {
  if (typeof ref !== "string") return failed(at, "ref must be a string");
  // Some tools write references as URIs.
  const [nsid, ...names] = ref.replace(/^lex:/, "").split("#");
  const find = () => at.all.find(nsid || at.document.id, names.length === 0 ? "main" : names.join("#"));
  at.all.references.push({ at, ref, inUnion, find });
  return find as Lazy; // one that finds nothing is a fault before it is used
}

function text(def: Json, at: Place): Schema {
  if (def.format === undefined) return v.string();
  return FORMATS.get(def.format)?.() ?? failed(at, `there is no format ${JSON.stringify(def.format)}`)();
}

/** `const` and `enum`. */
function oneOf(def: Json, type: "boolean" | "number" | "string", at: Place): Schema | undefined {
  const values = def.const === undefined ? def.enum : [def.const];
  if (values === undefined) return undefined;
  if (!Array.isArray(values) || values.some((each) => typeof each !== type)) {
    return failed(at, `const and enum must be of type ${type}`)();
  }
  return v.literalEnum(values);
}

/** A constraint with two ends, where one of them is given. */
function limits(
  def: Json,
  least: string,
  most: string,
  constraint: (least: number, most: number) => unknown,
  at: Place,
): Constraint[] {
  for (const key of [least, most]) {
    if (def[key] !== undefined && !Number.isSafeInteger(def[key])) fault(at, `${key} must be an integer`);
  }
  if (def[least] === undefined && def[most] === undefined) return [];
  return [constraint(Number(def[least] ?? -Infinity), Number(def[most] ?? Infinity)) as Constraint];
}

function blobLimits(def: Json, at: Place): Constraint[] {
  const accept = strings(def, "accept", at);
  const size = limits(def, "maxSize", "maxSize", (_, most) => v.blobSize(most), at);
  return accept === undefined ? size : [...size, v.blobAccept(accept) as unknown as Constraint];
}

function constrained(schema: Schema, constraints: readonly Constraint[]): Schema {
  return constraints.length === 0 ? schema : v.constrain(schema, constraints as never);
}

function strings(def: Json, key: string, at: Place): string[] | undefined {
  const values = def[key];
  if (values === undefined) return undefined;
  if (Array.isArray(values) && values.every((each) => typeof each === "string")) return values;
  fault(at, `${key} must be an array of strings`);
  return [];
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function below(at: Place, step: string): Place {
  return { ...at, path: `${at.path}.${step}` };
}

function fault({ document, path, all }: Place, why: string): void {
  all.faults.push(`Cannot use lexicon ${document.file}: ${path}: ${why}`);
}

/** Notes a fault; the schema is never used, as no validator is made then. */
function failed(at: Place, why: string): Lazy {
  fault(at, why);
  return v.unknown;
}
