/**
 * The built-in lexicons, and what it means for a record to match one.
 *
 * @module
 */
import * as bluesky from "@atcute/bluesky";
import * as v from "@atcute/lexicons/validations";

/** What a lexicon says about a value, ready to check it. */
export type Schema = v.BaseSchema;

type RecordSchema = v.RecordSchema<v.RecordObjectSchema, v.RecordKeySchema>;

/** The lexicons of all records of `app.bsky.*` and `chat.bsky.*`, by collection. */
export function builtInRecords(): Map<string, Schema> {
  const records = new Map<string, Schema>();
  for (const module of Object.values(bluesky)) {
    const schema = (module as { readonly mainSchema?: Partial<RecordSchema> }).mainSchema;
    // A schema compiles itself when it is first used, so those that no event needs cost next to nothing.
    if (schema?.type === "record") records.set(schema.object!.shape.$type.expected, schema as RecordSchema);
  }
  return records;
}

/**
 * What is wrong with a record, on one line, or `undefined`. Blobs must have the size and the type that the lexicon asks for; a
 * blob of the form that was used until 2023 (`{cid, mimeType}`) names no size and is accepted, because such records are genuine.
 */
export function faultIn(schema: Schema, record: unknown): string | undefined {
  try {
    const strict = v.safeParse(schema, record, { strict: true });
    if (strict.ok) return undefined;
    const lenient = v.safeParse(schema, record);
    if (!lenient.ok) return lenient.message;
    return strict.issues.every(({ code }) => code === "invalid_type") ? undefined : strict.message;
  } catch (error) {
    // A lexicon may refer to itself, and so may a record be as deep as its writer likes.
    if (error instanceof RangeError) return "it is nested too deeply";
    throw error;
  }
}
