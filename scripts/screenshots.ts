/**
 * `deno run -A scripts/screenshots.ts [--readme]`: pictures of the dashboard with made-up figures, in `dist/screenshots`; with `--readme`
 * those of README.md, in `docs`.
 *
 * @module
 */
import { openBrowser } from "../tests/support/browser.ts";
import { ALL, README, takeScreenshots } from "../tests/support/screenshots.ts";

if (import.meta.main) {
  const [folder, shots] = Deno.args.includes("--readme") ? ["docs", README] : ["dist/screenshots", ALL];
  await using browser = await openBrowser();
  for (const file of await takeScreenshots(browser, folder, shots)) console.log(file);
}
