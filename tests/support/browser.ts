/**
 * A real browser for tests: the system's Chromium.
 *
 * @module
 */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { commandPath } from "./services.ts";

/** What a page did that it should not have done. */
export interface Watched {
  readonly page: Page;
  /** Errors and warnings of its console, exceptions, what its policy forbade, and requests to anywhere but `origin`. */
  readonly faults: string[];
}

/** Starts Chromium without a window. */
export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const browser = await chromium.launch({ executablePath: commandPath("chromium")! });
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() });
}

/** Opens a page in a context of its own and watches it. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ timezoneId: "Europe/Lisbon", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(url).origin && protocol !== "data:") faults.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}
