/**
 * What everything that keeps files needs: private files, complete writes, and errors that say what the user can do.
 *
 * @module
 */
import { dirname } from "node:path";
import { ConfigError, messageOf, TransientError } from "../pipeline/errors.ts";

/** Causes that go away only when the user does something. */
const FOR_THE_USER: readonly [new (message?: string) => Error, string][] = [
  [Deno.errors.NotFound, "no such file or folder"],
  [Deno.errors.PermissionDenied, "permission denied"],
  [Deno.errors.IsADirectory, "it is a folder"],
  [Deno.errors.NotADirectory, "a part of its path is not a folder"],
];

/**
 * What a failed file operation means: `ConfigError` where the user must change something, `TransientError` (disk full, I/O
 * error) where a later attempt may succeed. What the operating system did not cause is a bug and stays as it is.
 *
 * @param action As in "Cannot {action} {path}: ...".
 */
export function fileError(action: string, path: string, error: unknown): Error {
  if (error instanceof ConfigError) return error;
  const start = `Cannot ${action} ${path}`;
  const state = FOR_THE_USER.find(([type]) => error instanceof type)?.[1];
  if (state) return new ConfigError(`${start}: ${state}`, { cause: error });
  if (error instanceof Deno.errors.NotCapable) {
    return new ConfigError(`${start}: ${messageOf(error)}`, { cause: error });
  }
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string") return error instanceof Error ? error : new Error(`${start}: ${messageOf(error)}`);
  if (code === "EROFS") return new ConfigError(`${start}: the file system is read-only`, { cause: error });
  const reason = code === "ENOSPC" ? "no space left on the device" : messageOf(error);
  return new TransientError(`${start}: ${reason}`, { cause: error });
}

/** Writes all of `bytes`: one system call may take less than it is given. */
export async function writeAll(file: Pick<Deno.FsFile, "write">, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/** Makes the names in `folder` durable: a new or renamed file survives a power cut only after that. */
export async function syncFolder(folder: string): Promise<void> {
  using file = await Deno.open(folder);
  await file.sync();
}

/**
 * Opens a file that only its owner may read (0600 when it is made), never through a symlink in a folder that everybody may
 * write to.
 *
 * @throws {ConfigError} for such a symlink; otherwise what `Deno.open` throws.
 */
export async function openPrivate(path: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
  refuseSharedSymlink(path);
  return checked(await Deno.open(path, { ...options, mode: 0o600 }), path);
}

/** {@link openPrivate} where nobody can wait. */
export function openPrivateSync(path: string, options: Deno.OpenOptions): Deno.FsFile {
  refuseSharedSymlink(path);
  return checked(Deno.openSync(path, { ...options, mode: 0o600 }), path);
}

/** The symlink may have come in between. */
function checked(file: Deno.FsFile, path: string): Deno.FsFile {
  try {
    refuseSharedSymlink(path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Whether `path` still leads to the open `file`: it may have been replaced, moved or removed. */
export async function isCurrent(file: Deno.FsFile, path: string): Promise<boolean> {
  return isSame(await file.stat(), await Deno.stat(path).catch(() => undefined));
}

function isSame(a: Deno.FileInfo, b: Deno.FileInfo | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

/** `path`, or what it points to where it is a symlink in a folder of the user's own. */
export async function resolvePrivate(path: string): Promise<string> {
  refuseSharedSymlink(path);
  return await Deno.realPath(path).catch(() => path);
}

/**
 * Somebody else can have put a symlink into a folder that everybody may write to, to have another file of ours written.
 *
 * @throws {ConfigError} for one. @throws What `Deno.stat` throws about the folder.
 */
export function refuseSharedSymlink(path: string): void {
  const { mode } = Deno.statSync(dirname(path));
  if (mode === null || (mode & 0o002) === 0 || !isSymlink(path)) return;
  throw new ConfigError(`Cannot use ${path}: it is a symlink in a folder that everybody may write to`);
}

function isSymlink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
