/**
 * Whether this Deno will do, and may do what a run needs.
 *
 * @module
 */
import { fail, type Finding, ok, warn } from "./check.ts";

/** The oldest Deno that everything was written for. */
const OLDEST = [2, 9] as const;

/** What a run touches. */
export interface Needs {
  /** `host:port` */
  readonly hosts: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Checks the version and, without asking for them, the permissions. */
export async function checkRuntime(needs: Needs, version: string = Deno.version.deno): Promise<Finding> {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    return fail(`Deno ${version} is too old`, `Install Deno ${OLDEST.join(".")} or newer: deno upgrade`);
  }
  const missing = await denied([
    ...needs.hosts.map((host) => ({ name: "net", host, of: host }) as const),
    ...needs.read.map((path) => ({ name: "read", path, of: path }) as const),
    ...needs.write.map((path) => ({ name: "write", path, of: path }) as const),
  ]);
  if (missing.length > 0) return fail("permissions are missing", `Add ${missing.join(" ")}`);
  const [hostname] = await denied([{ name: "sys", kind: "hostname", of: "hostname" }]);
  if (hostname === undefined) return ok(`Deno ${version}`);
  return warn(`Deno ${version}; a lock will not say on which host its holder runs`, `Add ${hostname}`);
}

/** The flags that would grant what is not granted. */
async function denied(wanted: readonly (Deno.PermissionDescriptor & { readonly of: string })[]): Promise<string[]> {
  const places = new Map<string, Set<string>>();
  for (const { of, ...descriptor } of wanted) {
    if ((await Deno.permissions.query(descriptor as Deno.PermissionDescriptor)).state === "granted") continue;
    places.set(descriptor.name, (places.get(descriptor.name) ?? new Set()).add(of));
  }
  return [...places].map(([name, all]) => `--allow-${name}=${[...all].join(",")}`);
}
