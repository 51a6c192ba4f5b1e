/**
 * What `--version` prints.
 *
 * @module
 */
import { VERSION } from "../lib/version.ts";

/** The version of this program and of everything it runs on, a line each. */
export async function versionsText(): Promise<string> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(":memory:");
  const row = db.prepare("select sqlite_version() as version").get();
  db.close();
  return [
    `bskyingest ${VERSION}`,
    `deno ${Deno.version.deno}`,
    `v8 ${Deno.version.v8}`,
    `sqlite ${row?.version}`,
    `typescript ${Deno.version.typescript}`,
  ].join("\n");
}
