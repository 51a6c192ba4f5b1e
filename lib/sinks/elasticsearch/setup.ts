/**
 * Index templates, indices and aliases: what `bskyingest elasticsearch setup` makes.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { ConfigError, messageOf } from "../../pipeline/errors.ts";
import type { Kind } from "../../transforms/elasticsearch/kinds.ts";
import type { IndexBody } from "../../transforms/elasticsearch/mappings.ts";
import { memberOf } from "./classify.ts";
import type { Connection, Request } from "./connection.ts";
import { aliasAddition, creation, findIndices, type FoundIndex, objectOf, writeIndexOf } from "./indices.ts";
import { compareMappings } from "./mapping.ts";
import { refusal } from "./refusal.ts";
import { checkServer } from "./start.ts";
import type { Target } from "./targets.ts";

/** What is to be there. */
export interface SetupOptions {
  readonly targets: readonly Target[];
  readonly bodyOf: (kind: Kind) => IndexBody;
  /** Put before the names of templates. */
  readonly prefix?: string | undefined;
}

/** What became of one object. */
export interface SetupObject {
  readonly object: "template" | "index";
  readonly name: string;
  readonly state: "created" | "unchanged" | "updated" | "conflict";
  /** What a user should know about it: what is in the way, what was kept. */
  readonly notes: readonly string[];
}

/** A request that is not sent yet. */
export type SetupRequest = Pick<Request, "method" | "path"> & { readonly body: string };

/** An object and what it needs. */
interface Step extends SetupObject {
  readonly requests: readonly SetupRequest[];
}

/** Above the templates that Elasticsearch brings along. */
const PRIORITY = 300;

/** The requests that set up a server on which there is nothing. */
export function setupRequests({ targets, bodyOf, prefix }: SetupOptions): readonly SetupRequest[] {
  return [
    ...targets.map((target) => templateRequest(target, bodyOf(target.kind), prefix)),
    ...targets.map((target) => creation(target, bodyOf(target.kind))),
  ];
}

/**
 * Brings a server to what is wanted: makes what is missing, extends what can be extended. Where a field has another type than
 * it needs, nothing at all is changed, and only what is in the way and what is as it should be is answered.
 *
 * @throws {TransientError | ConfigError} If the server is not there, is not Elasticsearch, or refuses something.
 */
export async function setUp(connection: Connection, options: SetupOptions): Promise<readonly SetupObject[]> {
  const { targets, bodyOf, prefix } = options;
  await checkServer(connection);
  const steps: Step[] = [];
  for (const target of targets) steps.push(await planTemplate(connection, target, bodyOf(target.kind), prefix));
  for (const target of targets) steps.push(...await planIndices(connection, target, bodyOf(target.kind)));
  if (steps.some(({ state }) => state === "conflict")) {
    return steps.filter(({ state }) => state === "conflict" || state === "unchanged").map(reportOf);
  }
  for (const { object, name, requests } of steps) {
    for (const request of requests) {
      const answer = await connection.request(request);
      const privilege = object === "template" ? "manage_index_templates" : `create_index and manage on ${name}`;
      if (answer.status !== 200) throw refusal(`Cannot set up ${object} ${name}`, answer, privilege);
    }
  }
  return steps.map(reportOf);
}

/** How the template of a kind is called. */
export function templateName(kind: Kind, prefix = ""): string {
  return `${prefix}bskyingest-classic-${kind}`;
}

/** How a template on the server compares with the one that is wanted; `unknown`: the key may not see it. */
export type TemplateState = "as expected" | "different" | "missing" | "unknown";

/** Compares the template of a kind. @throws {TransientError | ConfigError} If the server does not say. */
export async function compareTemplate(
  connection: Connection,
  { kind, index }: Target,
  body: IndexBody,
  prefix?: string,
): Promise<TemplateState> {
  const name = templateName(kind, prefix);
  const answer = await connection.request({ method: "GET", path: `/_index_template/${encodeURIComponent(name)}` });
  if (answer.status === 404) return "missing";
  if (answer.status === 403) return "unknown";
  if (answer.status !== 200) throw refusal(`Cannot look at template ${name}`, answer);
  const [found] = memberOf(answer.body, "index_templates") as unknown[] ?? [];
  const same = isDeepStrictEqual(
    flatten(objectOf(memberOf(found, "index_template")), PARTS_OF_TEMPLATE),
    flatten(templateBody(index, body), PARTS_OF_TEMPLATE),
  );
  return same ? "as expected" : "different";
}

async function planTemplate(connection: Connection, target: Target, body: IndexBody, prefix?: string): Promise<Step> {
  const name = templateName(target.kind, prefix);
  const state = await compareTemplate(connection, target, body, prefix);
  if (state === "unknown") {
    throw new ConfigError(`Cannot look at template ${name} on ${connection.place}: the key may not`, {
      hint: "The key or user needs the privilege manage_index_templates",
    });
  }
  const same = state === "as expected";
  return {
    object: "template",
    name,
    state: same ? "unchanged" : state === "missing" ? "created" : "updated",
    notes: [],
    requests: same ? [] : [templateRequest(target, body, prefix)],
  };
}

async function planIndices(connection: Connection, target: Target, body: IndexBody): Promise<Step[]> {
  const { alias, index } = target;
  const found = await lookAt(connection, alias);
  if (found.length > 0) {
    const notes = notesOn(target, found);
    const conflict = writeFault(alias, found);
    const steps = found.map((each) => planIndex(each, body, each === found[0] ? notes : []));
    if (conflict === undefined) return steps;
    return [{ object: "index", name: alias, state: "conflict", notes: [conflict], requests: [] }, ...steps];
  }
  const [bare] = await lookAt(connection, index);
  if (bare === undefined) {
    return [{ object: "index", name: index, state: "created", notes: [], requests: [creation(target, body)] }];
  }
  const step = planIndex(bare, body, [`gets alias ${alias}`]);
  if (step.state === "conflict") return [step];
  return [{ ...step, state: "updated", requests: [...step.requests, aliasAddition(target)] }];
}

async function lookAt(connection: Connection, name: string): Promise<readonly FoundIndex[]> {
  const found = await findIndices(connection, name);
  if (found !== undefined) return found;
  throw new ConfigError(`Cannot look at ${name} on ${connection.place}: the key may not`, {
    hint: `The key or user needs the privilege view_index_metadata on ${name}`,
  });
}

function planIndex({ name, mappings, settings }: FoundIndex, body: IndexBody, notes: readonly string[]): Step {
  const { conflicts, additions, kept } = compareMappings(body.mappings, mappings);
  const inTheWay = conflicts.map(({ field, found, wanted }) => `field ${field} is ${found}, it must be ${wanted}`);
  for (const analyzer of analyzersOf(additions)) {
    const known = memberOf(memberOf(memberOf(settings["index"], "analysis"), "analyzer"), analyzer);
    if (known === undefined) inTheWay.push(`analyzer ${analyzer} is not defined, and an open index cannot get it`);
  }
  if (inTheWay.length > 0) {
    return { object: "index", name, state: "conflict", notes: [...inTheWay, reindexing(name)], requests: [] };
  }
  const remarks = kept.map((field) => `${field} differs, only a new index could change that`);
  const request = { method: "PUT", path: `/${encodeURIComponent(name)}/_mapping` } as const;
  return {
    object: "index",
    name,
    state: additions === undefined ? "unchanged" : "updated",
    notes: [...notes, ...remarks],
    requests: additions === undefined ? [] : [{ ...request, body: JSON.stringify({ properties: additions }) }],
  };
}

/** The analyzers that fields of a mapping name. */
function analyzersOf(properties: unknown): string[] {
  return Object.entries(objectOf(properties)).flatMap(([key, value]) =>
    key === "analyzer" && typeof value === "string" ? [value] : analyzersOf(value)
  );
}

/** What helps where a field has the wrong type. Versions must come along, or deletes would lose their order. */
function reindexing(name: string): string {
  const next = name.replace(/_v\d+$/, "") + `_v${Number(/_v(\d+)$/.exec(name)?.[1] ?? 1) + 1}`;
  const body = JSON.stringify({ source: { index: name }, dest: { index: next, version_type: "external" } });
  return `create ${next} with the body that --dry-run prints, without its alias; POST /_reindex ${body}; ` +
    "move the alias by POST /_aliases";
}

function writeFault(alias: string, found: readonly FoundIndex[]): string | undefined {
  try {
    writeIndexOf(alias, found);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What is in the alias's place or behind it besides our index; classic writes through it all the same. */
function notesOn({ alias, index }: Target, found: readonly FoundIndex[]): string[] {
  if (found.some(({ name }) => name === alias)) return [`an index bears the name of alias ${alias}: kept`];
  const foreign = found.map(({ name }) => name).filter((name) => name !== index);
  return foreign.length === 0 ? [] : [`alias ${alias} has other indices, kept: ${foreign.join(", ")}`];
}

function templateRequest({ kind, index }: Target, body: IndexBody, prefix?: string): SetupRequest {
  return {
    method: "PUT",
    path: `/_index_template/${encodeURIComponent(templateName(kind, prefix))}`,
    body: JSON.stringify(templateBody(index, body)),
  };
}

const PARTS_OF_TEMPLATE = ["index_patterns", "priority", "template"];

function templateBody(index: string, { settings, mappings }: IndexBody): Readonly<Record<string, unknown>> {
  return { index_patterns: [`${index}*`], priority: PRIORITY, template: { settings, mappings } };
}

/** Every value by its path, as text: the server answers numbers and booleans as strings. */
function flatten(value: Readonly<Record<string, unknown>>, keys = Object.keys(value)): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const key of keys) {
    const member = value[key];
    if (typeof member !== "object" || member === null) flat[key] = String(member);
    else for (const [path, text] of Object.entries(flatten(objectOf(member)))) flat[`${key}.${path}`] = text;
  }
  return flat;
}

function reportOf({ object, name, state, notes }: Step): SetupObject {
  return { object, name, state, notes };
}
