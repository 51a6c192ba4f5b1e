/**
 * Comparing the mapping of an index with the one that documents need.
 *
 * @module
 */
import { objectOf } from "./indices.ts";

type Properties = Readonly<Record<string, unknown>>;

/** A field that is there with another type. */
export interface Conflict {
  /** Its path: `embeddings.all_MiniLM_L12_v2`. */
  readonly field: string;
  readonly found: string;
  readonly wanted: string;
}

/** How a mapping differs from what is wanted. */
export interface MappingDifference {
  readonly conflicts: readonly Conflict[];
  /** The `properties` that can be added; undefined: there are none. */
  readonly additions: Properties | undefined;
  /** Settings of fields that only a new index could have: `content.analyzer`. */
  readonly kept: readonly string[];
}

/** A mapping update can change these. */
const CHANGEABLE = ["ignore_above"];
/** These hold fields. */
const FOLDERS = ["properties", "fields"];

/** Compares `mappings` objects; fields that only the server knows do not matter. */
export function compareMappings(wanted: Properties, found: Properties): MappingDifference {
  const conflicts: Conflict[] = [], kept: string[] = [];
  const additions = compareFields(objectOf(wanted["properties"]), objectOf(found["properties"]), "", conflicts, kept);
  return { conflicts, additions, kept };
}

function compareFields(
  wanted: Properties,
  found: Properties,
  path: string,
  conflicts: Conflict[],
  kept: string[],
): Properties | undefined {
  const additions: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(wanted)) {
    const other = found[name];
    const addition = other === undefined
      ? field
      : compareField(objectOf(field), objectOf(other), `${path}${name}`, conflicts, kept);
    if (addition !== undefined) additions[name] = addition;
  }
  return Object.keys(additions).length === 0 ? undefined : additions;
}

/** What must be sent to extend a field that is there. */
function compareField(
  wanted: Properties,
  found: Properties,
  field: string,
  conflicts: Conflict[],
  kept: string[],
): Properties | undefined {
  if (typeOf(wanted) !== typeOf(found)) {
    conflicts.push({ field, found: typeOf(found), wanted: typeOf(wanted) });
    return undefined;
  }
  const changes: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(wanted)) {
    if (FOLDERS.includes(key)) {
      const added = compareFields(objectOf(value), objectOf(found[key]), `${field}.`, conflicts, kept);
      if (added !== undefined) changes[key] = added;
    } else if (key !== "type" && String(value) !== String(found[key])) {
      if (CHANGEABLE.includes(key)) changes[key] = value;
      else if (found[key] !== undefined || value !== defaultOf(wanted, key)) kept.push(`${field}.${key}`);
    }
  }
  if (Object.keys(changes).length === 0) return undefined;
  // An update must repeat what cannot be changed.
  const unchanged = Object.entries(found).filter(([key]) => !FOLDERS.includes(key));
  return { ...Object.fromEntries(unchanged), ...changes };
}

/** The type as people read it; vectors of other dimensions are other types. */
function typeOf(field: Properties): string {
  const type = typeof field["type"] === "string" ? field["type"] : "object";
  return type === "dense_vector" ? `${type} of ${field["dims"] ?? "unknown"} dims` : type;
}

/** Values that the server leaves out where they are its own. */
function defaultOf(field: Properties, key: string): unknown {
  const defaults: Properties = field["type"] === "dense_vector"
    ? { index: true, similarity: "cosine" }
    : { enabled: true, index: true };
  return defaults[key];
}
