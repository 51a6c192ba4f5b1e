/**
 * Pictures of the dashboard.
 *
 * @module
 */
import type { Browser } from "playwright-core";
import type { Snapshot } from "../../lib/ops/snapshot.ts";
import { openPage } from "./browser.ts";
import { serveDashboard } from "./dashboard_server.ts";
import { brokenSnapshot, busySnapshot, idleSnapshot } from "./snapshots.ts";

/** One picture. */
export interface Shot {
  /** Of the file, without `.png`. */
  readonly name: string;
  readonly snapshot: () => Snapshot;
  /** Of the window, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
  /** The whole page, however long it is. */
  readonly fullPage: boolean;
}

/** Each state, width and colour scheme. */
export const ALL: readonly Shot[] = Object.entries({ busy: busySnapshot, idle: idleSnapshot, broken: brokenSnapshot })
  .flatMap(([name, snapshot]) =>
    [1440, 390].flatMap((width) =>
      (["light", "dark"] as const).map((colorScheme) => ({
        ...{ name: `${name}_${width}_${colorScheme}`, snapshot, width, height: 900, colorScheme, fullPage: true },
      }))
    )
  );

/** Those in README.md. */
export const README: readonly Shot[] = [
  { name: "dashboard", snapshot: busySnapshot, width: 1280, height: 900, colorScheme: "light", fullPage: false },
  { name: "dashboard_narrow", snapshot: brokenSnapshot, width: 390, height: 760, colorScheme: "dark", fullPage: false },
];

/** Takes pictures, and answers the names of the files. */
export async function takeScreenshots(browser: Browser, folder: string, shots: readonly Shot[]): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const { name, snapshot, width, height, colorScheme, fullPage } of shots) {
    await using server = serveDashboard(snapshot());
    const { page } = await openPage(browser, server.url, { viewport: { width, height }, colorScheme });
    await page.locator("#chart canvas").waitFor();
    const path = `${folder}/${name}.png`;
    await page.screenshot({ path, fullPage });
    files.push(path);
    await page.context().close();
  }
  return files;
}
