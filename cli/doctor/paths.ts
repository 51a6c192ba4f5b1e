/**
 * Whether files can be made where a run makes them, and how much space there is.
 *
 * @module
 */
import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf } from "../../lib/pipeline/errors.ts";
import { fileError } from "../../lib/state/files.ts";
import { fail, type Finding, ok, skip, warn } from "./check.ts";

/** Less free space than that deserves a warning, in bytes. */
const LITTLE_BYTES = 2 ** 30;
/** As much is written to see whether there is space at all. */
const SAMPLE_BYTES = 4096;

/** Linux's numbers of network file systems (`man 2 statfs`). */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB"],
  [0xff534d42, "CIFS"],
  [0x00c36400, "Ceph"],
  [0x01021997, "9P"],
  [0x5346414f, "AFS"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

/** A folder that a run makes files in. */
export interface Folder {
  readonly path: string;
  /** The run makes it where it is missing. */
  readonly made: boolean;
}

/** What a file system says of itself. */
export type FileSystemStat = Pick<StatsFs, "type" | "bsize" | "bavail">;

/** Writes a file into the folder, or where the folder would be made, and removes it. */
export async function checkFolder(
  { path, made }: Folder,
  stat: (path: string) => Promise<FileSystemStat> = statfs,
): Promise<Finding> {
  const there = made ? await nearest(path) : path;
  const missing = there === path ? "" : `, to be made in ${there}`;
  if (!(await isFolder(there))) {
    return fail(
      `${path}: ${made ? `${there} is not a folder` : "there is no such folder"}`,
      "Make it, or name another",
    );
  }
  await tryToWrite(there);
  const space = await stat(there).catch(messageOf);
  if (typeof space === "string") return ok(`${path} is writable${missing}; free space unknown: ${space}`);
  const free = space.bsize * space.bavail;
  const network = NETWORK.get(space.type);
  const detail = `${path}${missing}: ${amount(free)} free`;
  if (network !== undefined) {
    return warn(`${detail}, on a network file system (${network})`, "Locks and SQLite files need a local disk");
  }
  return free < LITTLE_BYTES ? warn(detail, "All public events of an hour take some GB") : ok(detail);
}

/** The folder for temporary files. A run under few permissions can do without. */
export async function checkTemporary(folder: string): Promise<Finding> {
  const { state } = await Deno.permissions.query({ name: "write", path: folder });
  return state === "granted" ? await checkFolder({ path: folder, made: false }) : skip(`${folder}: no permission`);
}

/** The folder itself, or the nearest one above it that exists. */
async function nearest(folder: string): Promise<string> {
  for (let at = folder;; at = dirname(resolve(at))) {
    if (await Deno.stat(at).then(() => true, isElsewhere) || at === "/") return at;
  }
}

/** Something is there that cannot be looked at: the way to say so is to try to write. */
function isElsewhere(error: unknown): boolean {
  return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
}

async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, isElsewhere);
}

async function tryToWrite(folder: string): Promise<void> {
  const file = join(folder, `.bskyingest-doctor-${crypto.randomUUID()}`);
  try {
    await Deno.writeFile(file, new Uint8Array(SAMPLE_BYTES), { createNew: true, mode: 0o600 });
  } catch (error) {
    throw fileError("write to", folder, error);
  } finally {
    await Deno.remove(file).catch(() => {}); // it may never have come into being
  }
}

function amount(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(gib < 10 ? 1 : 0)} GiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}
