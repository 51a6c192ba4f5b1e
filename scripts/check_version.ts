/**
 * `deno run -A scripts/check_version.ts`: fails unless lib/version.ts and deno.json name the same version.
 *
 * @module
 */
import { VERSION } from "../lib/version.ts";

const path = new URL("../deno.json", import.meta.url);
const { version } = JSON.parse(await Deno.readTextFile(path)) as { readonly version: string };
if (version === VERSION) {
  console.log(`Version ${VERSION}`);
} else {
  console.error(`Cannot accept two versions: lib/version.ts has ${VERSION}, deno.json has ${version}`);
  Deno.exitCode = 1;
}
