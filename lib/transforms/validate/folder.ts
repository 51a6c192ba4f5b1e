/**
 * A folder of lexicon documents.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { isNsid } from "../../atproto/syntax.ts";
import { ConfigError, messageOf } from "../../pipeline/errors.ts";
import { compileLexicons, type LexiconDocument } from "./compile.ts";
import type { Schema } from "./schemas.ts";

const log = getLogger(["bskyingest", "validate"]);

/** All of the network's known lexicons are some hundred files of some kilobytes. */
const MOST_FILES = 5000, MOST_BYTES = 1024 * 1024, DEEPEST = 32;
/** More than these would hide the first ones. */
const MOST_FAULTS = 20;

/**
 * The lexicons of all records that the `.json` files below a folder define. Symbolic links in it are not followed.
 *
 * @throws {ConfigError} With everything that is wrong.
 */
export async function recordsOf(folder: string): Promise<ReadonlyMap<string, Schema>> {
  const files: string[] = [];
  try {
    await list(folder, files, DEEPEST);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`Cannot read lexicons in ${folder}: ${messageOf(cause)}`, { cause });
  }
  if (files.length === 0) throw new ConfigError(`Cannot read lexicons in ${folder}: there is no .json file`);
  const documents = new Map<string, LexiconDocument>();
  const faults: string[] = [];
  for (const file of files) {
    try {
      const document = await read(file);
      const other = documents.get(document.id);
      if (other !== undefined) throw new Error(`${other.file} defines ${document.id} too`);
      documents.set(document.id, document);
    } catch (error) {
      faults.push(`Cannot use lexicon ${file}: ${messageOf(error)}`);
    }
  }
  const compiled = compileLexicons([...documents.values()]);
  refuse([...faults, ...compiled.faults]);
  log.info("Lexicons of records in {folder}: {count}", { folder, count: compiled.records.size });
  return compiled.records;
}

async function list(folder: string, files: string[], depth: number): Promise<void> {
  if (depth === 0) throw new ConfigError(`Cannot read lexicons in ${folder}: it is more than ${DEEPEST} folders deep`);
  const entries = await Array.fromAsync(Deno.readDir(folder));
  for (const { name, isFile, isDirectory, isSymlink } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await list(path, files, depth - 1);
    else if (isFile && name.endsWith(".json")) files.push(path);
    else if (isSymlink) log.warn("Left out: {path} is a symbolic link", { path });
    if (files.length > MOST_FILES) {
      throw new ConfigError(`Cannot read lexicons: there are more than ${MOST_FILES} files`);
    }
  }
}

async function read(file: string): Promise<LexiconDocument> {
  const { size } = await Deno.stat(file);
  if (size > MOST_BYTES) throw new Error(`it has ${size} bytes, more than ${MOST_BYTES}`);
  const bytes = await Deno.readFile(file);
  const document: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (typeof document !== "object" || document === null) throw new Error("it must be a JSON object");
  const { lexicon, id, defs } = document as Record<string, unknown>;
  if (lexicon !== 1) throw new Error('it must have "lexicon": 1');
  if (typeof id !== "string" || !isNsid(id)) throw new Error("it must have an NSID as its id");
  if (typeof defs !== "object" || defs === null) throw new Error("it must have an object as its defs");
  return { file, id, defs: defs as Record<string, unknown> };
}

function refuse(faults: readonly string[]): void {
  const [first, ...others] = faults;
  if (first === undefined) return;
  const told = others.slice(0, MOST_FAULTS - 1);
  const rest = others.length - told.length;
  throw new ConfigError([first, ...told, ...(rest > 0 ? [`And ${rest} more`] : [])]);
}
