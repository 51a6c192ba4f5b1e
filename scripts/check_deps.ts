/**
 * `deno task deps`: every package of deno.lock with its version, licence, the day it was published and its age. It reads Deno's
 * npm cache only, so it needs no network; `-` stands for what is not there (run `deno install` first).
 *
 * @module
 */

/** A package of the lock file. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** Whether deno.json names it, rather than another package. */
  readonly direct: boolean;
}

interface Lock {
  readonly npm?: Readonly<Record<string, unknown>>;
  readonly workspace?: { readonly dependencies?: readonly string[] };
}

/** The npm packages of a deno.lock. */
export function dependencies(lock: Lock): Dependency[] {
  const direct = new Set(lock.workspace?.dependencies);
  return Object.keys(lock.npm ?? {}).map((key) => {
    // A key may end with the peers that a package was resolved with: `a@1.0.0_b@2.0.0`.
    const [, name = key, version = ""] = /^(@?[^@]+)@([^_]+)/.exec(key) ?? [];
    return { name, version, direct: direct.has(`npm:${name}@${version}`) };
  });
}

/** Reads a JSON file of a package in Deno's cache, whichever registry it came from. */
async function cached(cache: string, path: string): Promise<Record<string, unknown> | undefined> {
  for await (const registry of Deno.readDir(cache)) {
    try {
      return JSON.parse(await Deno.readTextFile(`${cache}/${registry.name}/${path}`));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  return undefined;
}

/** What is known of a package: name, version, licence, day and age, and whether deno.json names it. `now` in milliseconds since 1970. */
export async function row(
  cache: string,
  { name, version, direct }: Dependency,
  now: number = Date.now(),
): Promise<string[]> {
  const manifest = await cached(cache, `${name}/${version}/package.json`);
  const times = (await cached(cache, `${name}/registry.json`))?.["time"] as Record<string, string> | undefined;
  const published = times?.[version];
  const days = published === undefined ? "-" : `${Math.floor((now - Date.parse(published)) / 86_400_000)} days`;
  return [
    name,
    version,
    String(manifest?.["license"] ?? "-"),
    published?.slice(0, 10) ?? "-",
    days,
    direct ? "direct" : "",
  ];
}

/** Lines whose columns are aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length))) ?? [];
  return rows.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()).join("\n");
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}

if (import.meta.main) {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../deno.lock", import.meta.url)));
  const cache = await npmCache();
  console.log(table(await Promise.all(dependencies(lock).map((each) => row(cache, each)))));
}
