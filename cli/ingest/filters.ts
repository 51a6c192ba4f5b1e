/**
 * From the filter options of the command line to stages: for every ingest command and for `replay`.
 *
 * @module
 */
import type { AnyEvent } from "../../lib/atproto/event.ts";
import type { Batch } from "../../lib/pipeline/batch.ts";
import { filterEvents, mapEvents } from "../../lib/pipeline/stages.ts";
import type { Values } from "../kit/declaration.ts";
import type { filterOptions } from "../options/filters.ts";

type Batches = ReadableStream<Batch<AnyEvent>>;

/** What the options ask for. */
export interface Filtering {
  /** Puts the stages behind a source; absent where nothing is filtered or checked. */
  readonly through?: (batches: Batches) => Batches;
  /** Events that `--where` could not be evaluated for. */
  failures(): number;
  /** Records that do not match their lexicons. */
  invalid(): number;
}

/**
 * Loads what the options need, and nothing else.
 *
 * @throws {ConfigError} with the faults of the filters, or of the lexicons.
 */
export async function filterOf(values: Values<typeof filterOptions>): Promise<Filtering> {
  const { createFilter } = await import("../../lib/transforms/filters.ts");
  const { ops, langs, sample, where } = values;
  const filter = await createFilter({
    ops,
    langs,
    ...(sample !== undefined && { sample }),
    ...(where !== undefined && { where }),
  });
  const validation = await validationOf(values);
  // What was filtered out need not be valid.
  const stages = [
    ...(filter ? [(batches: Batches) => batches.pipeThrough(filterEvents(filter.keep))] : []),
    ...(validation ? [(batches: Batches) => batches.pipeThrough(mapEvents(validation.check))] : []),
  ];
  return {
    ...(stages.length > 0 && { through: (batches) => stages.reduce((stream, stage) => stage(stream), batches) }),
    failures: () => filter?.failures ?? 0,
    invalid: () => validation?.validator.invalid ?? 0,
  };
}

async function validationOf({ validate, lexicons }: Values<typeof filterOptions>) {
  if (validate === "off") return undefined;
  const { createValidator, validateWith } = await import("../../lib/transforms/validate.ts");
  const validator = await createValidator({ lexicons });
  return { validator, check: validateWith<AnyEvent>(validator, validate) };
}
