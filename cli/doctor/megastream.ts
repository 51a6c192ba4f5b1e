/**
 * What a run of `megastream` depends on.
 *
 * @module
 */
import { tmpdir } from "node:os";
import type { TempFiles } from "../../lib/sources/megastream/temp_files.ts";
import { modelsOf } from "../../lib/transforms/embeddings/models.ts";
import { openState, stateText } from "../ingest/megastream/reading.ts";
import { openStore } from "../ingest/megastream/store.ts";
import { MEGASTREAM_STATE } from "../ingest/target.ts";
import type { IngestOptions } from "../ingest/transfer.ts";
import type { megastreamOptions } from "../options/megastream.ts";
import { type Finding, ok, runChecks, warn } from "./check.ts";
import { examineRun, type Run, targetOf } from "./run.ts";
import type { Settings } from "./settings.ts";

type MegastreamSettings = Settings<typeof megastreamOptions & IngestOptions>;

/** Checks what a run with these settings would use. */
export const examineMegastream = examineRun<typeof megastreamOptions>(prepare);

// deno-lint-ignore require-await -- faults of the options must come by the promise
async function prepare(settings: MegastreamSettings): Promise<Run> {
  const { values } = settings;
  const target = targetOf(settings, MEGASTREAM_STATE);
  modelsOf(values.embeddings);
  return {
    target,
    collections: ["app.bsky.feed.post"],
    net: [],
    inputs: values.source === "local" ? values.path : [],
    ...(values.tempDir !== undefined && { temporary: { path: values.tempDir, made: false } }),
    source: () => runChecks([{ name: "files", run: (signal) => checkFiles(settings, signal) }]),
    position: async () => ok(stateText(await openState(target, true))),
  };
}

/** Lists the files, or the first ones of a bucket. */
async function checkFiles(settings: MegastreamSettings, signal: AbortSignal): Promise<Finding> {
  const folder = settings.values.tempDir ?? tmpdir();
  const temp: TempFiles = { folder, make: () => Promise.reject(new Error("Cannot fetch: this is only a look")) };
  await using store = await openStore(settings, temp);
  if (store.probe) {
    await store.probe({ signal });
    return ok(`${store.place} can be listed`);
  }
  const files = await store.list({ signal });
  return files.length > 0 ? ok(`${store.place}: ${files.length} files`) : warn(`${store.place}: no .db.zip files`);
}
