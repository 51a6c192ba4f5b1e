/**
 * File systems of a few MiB that can be filled up.
 *
 * @module
 */
import { tempFolder } from "./temp.ts";

/** Mounts a file system of so many MiB until the end of the block; `undefined` where that is not allowed. */
function smallDisk(path: string, mebibytes: number): Disposable | undefined {
  if (!mount("-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path)) return undefined;
  return { [Symbol.dispose]: () => void new Deno.Command("umount", { args: [path] }).outputSync() };
}

/** Makes what is mounted at `path` read-only. */
export function makeReadOnly(path: string): void {
  if (!mount("-o", "remount,ro", path)) throw new Error(`Cannot mount ${path} again`);
}

function mount(...args: string[]): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  return new Deno.Command("mount", { args, stderr: "null" }).outputSync().success;
}

function canMount(): boolean {
  using folder = tempFolder();
  using disk = smallDisk(folder.path, 1);
  return disk !== undefined;
}

/** Whether small file systems can be mounted here. */
export const CAN_MOUNT: boolean = canMount();

/** Runs `fn` with such a file system. */
export async function onSmallDisk<T = void>(mebibytes: number, fn: (disk: string) => Promise<T>): Promise<T> {
  using folder = tempFolder();
  using _disk = smallDisk(folder.path, mebibytes);
  return await fn(folder.path);
}

/** Registers a test that gets such a file system; where mounting is not allowed it is ignored, and its name says why. */
export function diskTest(name: string, mebibytes: number, fn: (disk: string) => Promise<void>): void {
  Deno.test({
    name: CAN_MOUNT ? name : `${name} (skipped: mounting a small file system is not allowed here)`,
    ignore: !CAN_MOUNT,
    fn: () => onSmallDisk(mebibytes, fn),
  });
}
