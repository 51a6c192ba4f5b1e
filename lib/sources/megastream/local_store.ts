/**
 * Megastream files in folders of this machine.
 *
 * @module
 */
import { basename, join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";
import { type FileStore, FileVanishedError, type ListedFile } from "./files.ts";
import { megastreamTime } from "./name.ts";

const log = getLogger(["bskyingest", "megastream"]);

const SUFFIX = ".db.zip";

/** Where {@link localStore} looks. */
export interface LocalStoreOptions {
  /** Folders, or single files of any name. */
  readonly paths: readonly string[];
  /** Descend into folders. Those that are symlinks are not followed. @default {false} */
  readonly recursive?: boolean;
}

/** A file, and where it lies. */
interface Found {
  readonly path: string;
  readonly file: ListedFile;
}

/**
 * The files in folders: regular ones, or symlinks to such, whose names end in `.db.zip` and do not begin with `.`.
 *
 * @throws {ConfigError} Where a path does not exist or cannot be read, or is neither a folder nor a file. Later on that is
 * transient: a disk that was there may come back. `list` throws it for two files with one name.
 */
export async function localStore(options: LocalStoreOptions): Promise<FileStore> {
  const { paths, recursive = false } = options;
  const found = new Map<string, Found>();
  const roots = await Promise.all(paths.map(openRoot));

  function find(file: ListedFile): Promise<string> {
    const path = found.get(file.name)?.path;
    if (path !== undefined) return Promise.resolve(path);
    return Promise.reject(new FileVanishedError(`Cannot find ${file.name}: it was not listed`));
  }

  return {
    place: paths.join(", "),
    ...(roots.some(({ isFolder }) => !isFolder) && { partOnly: true }),
    async list({ signal }) {
      found.clear();
      for (const { path, isFolder } of roots) {
        signal.throwIfAborted();
        try {
          if (isFolder) await scan(path, "", recursive, (each) => add(found, each));
          else await add(found, { path, name: basename(path) });
        } catch (error) {
          throw error instanceof ConfigError ? error : new TransientError(listFault(path, error), { cause: error });
        }
      }
      return [...found.values()].map(({ file }) => file).sort(byTime);
    },
    fetch: async (file) => ({ path: await find(file), [Symbol.asyncDispose]: () => Promise.resolve() }),
    look: async (file) => look(await find(file), file.name),
    remove: async (file) => Deno.remove(await find(file)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function openRoot(path: string): Promise<{ readonly path: string; readonly isFolder: boolean }> {
  try {
    const { isDirectory, isFile } = await Deno.stat(path);
    if (isDirectory) await Array.fromAsync(Deno.readDir(path));
    else if (isFile) (await Deno.open(path)).close();
    else throw new ConfigError(`Cannot read ${path}: it is neither a folder nor a file`);
    return { path, isFolder: isDirectory };
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(listFault(path, error), { cause: error });
  }
}

function listFault(path: string, error: unknown): string {
  const state = error instanceof Deno.errors.NotFound
    ? "no such file or folder"
    : error instanceof Deno.errors.PermissionDenied
    ? "permission denied"
    : messageOf(error);
  return `Cannot read ${path}: ${state}`;
}

/** Where a file lies, and what it is called. */
interface Place {
  readonly path: string;
  readonly name: string;
}

async function scan(
  folder: string,
  prefix: string,
  recursive: boolean,
  onFile: (place: Place) => Promise<void>,
): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(".")) continue;
    const place = { path: join(folder, entry.name), name: prefix + entry.name };
    if (entry.isDirectory) {
      if (recursive) await scan(place.path, `${place.name}/`, recursive, onFile);
    } else if (entry.name.endsWith(SUFFIX)) await onFile(place);
  }
}

/** What is no file any more, or never was one, is passed over. */
async function add(found: Map<string, Found>, { path, name }: Place): Promise<void> {
  const file = await look(path, name);
  if (file === undefined) return;
  const other = found.get(name);
  if (other && !await isSame(other.path, path)) {
    throw new ConfigError(`Cannot tell ${path} from ${other.path}: they have the same name`, {
      hint: "Read them in two runs, each with a --state-key of its own",
    });
  }
  found.set(name, { path, file });
}

async function isSame(a: string, b: string): Promise<boolean> {
  return await Deno.realPath(a) === await Deno.realPath(b);
}

async function look(path: string, name: string): Promise<ListedFile | undefined> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new TransientError(listFault(path, error), { cause: error });
  }
  if (!info.isFile) return undefined;
  const modifiedMs = info.mtime?.getTime() ?? 0;
  const time = megastreamTime(name);
  if (time === undefined) log.debug("{name} tells no time, it is the one of its last change", { name });
  return { name, timeUs: time ?? modifiedMs * 1000, size: info.size, modifiedMs };
}

function byTime(a: ListedFile, b: ListedFile): number {
  return a.timeUs - b.timeUs || (a.name < b.name ? -1 : 1);
}
