/**
 * A program with one command that has an option of every type: what the option kit and the shell of the command line are tested with.
 *
 * @module
 */
import { createMain } from "../../cli/program.ts";
import { type Command, type CommandContext, defineCommand, type RegistryEntry } from "../../cli/kit/command.ts";
import {
  choice,
  duration,
  ingex,
  integer,
  list,
  number,
  parsed,
  path,
  secret,
  size,
  text,
  toggle,
  url,
} from "../../cli/kit/option.ts";
import { registry } from "../../cli/registry.ts";
import { listenForSignals } from "../../cli/signals.ts";
import { ConfigError, LockHeldError, TransientError } from "../../lib/pipeline/errors.ts";

/** An option of every type. */
export const demoOptions = {
  url: url("url", { help: "Server", protocols: ["ws:", "wss:"], env: ["JETSTREAM_URL"], conflicts: ["instance"] }),
  instance: list("instance", { help: "Hosts", short: "i" }),
  collections: list("wanted-collections", {
    help: "Collections",
    short: "c",
    common: true,
    env: ingex("JETSTREAM_COLLECTIONS"),
  }, ["app.bsky.feed.like"]),
  kinds: list("kinds", { help: "Kinds", choices: ["commit", "identity", "account"] }),
  sink: choice("sink", { help: "Where events go", common: true, defaultText: "sqlite" }, ["sqlite", "ndjson", "null"]),
  batchSize: integer(
    "batch-size",
    { help: "Events of one write", min: 1, max: 10_000, env: ["INGESTER_BATCH_SIZE"] },
    500,
  ),
  ratio: number("ratio", { help: "A share", max: 1 }, 0.05),
  batchTimeout: duration("batch-timeout", {
    help: "Longest wait",
    env: [{ name: "INGESTER_BATCH_TIMEOUT_MS", read: (text) => `${text}ms` }],
  }, "1s"),
  maxRewind: duration("max-rewind", { help: "Minutes to go back", unit: "m", metavar: "MIN" }, "0"),
  maxBytes: size("max-bytes", { help: "Largest frame", min: 1024 }, "32MiB"),
  db: path("db", { help: "Database" }, "./demo.db"),
  name: text("name", { help: "Any text" }),
  since: parsed("since", { help: "A day" }, (text) => {
    if (Number.isNaN(Date.parse(text))) throw new ConfigError("it must be a day");
    return Date.parse(text);
  }),
  apiKey: secret("api-key", { help: "The key", env: ingex("DEMO_API_KEY") }),
  noRewind: toggle("no-rewind", { help: "Never go back" }),
  dryRun: toggle("dry-run", { help: "Write nothing" }),
  dedupe: toggle("dedupe", { help: "Drop copies" }, true),
};

const demo = defineCommand({
  description: "What the tests of the command line run.",
  examples: [{ run: "bskyingest demo", does: "print the values" }],
  positionals: [{
    name: "WHAT",
    help: "What to do",
    choices: ["print", "bug", "hint", "locked", "transient", "much", "wait", "hang"],
  }],
  options: demoOptions,
  run: runDemo,
});

async function runDemo(context: CommandContext<typeof demoOptions>): Promise<number> {
  switch (context.positionals[0]) {
    case "bug":
      throw new TypeError("Something nobody thought of");
    case "hint":
      throw new ConfigError("Cannot open it: it is not there", { hint: "Make it first" });
    case "locked":
      throw new LockHeldError("Cannot lock x: process 1 on host h holds it");
    case "transient":
      throw new TransientError("Cannot reach wss://user:marker-password@host: refused");
    case "much":
      for (let i = 0; i < 100_000; i++) await context.stdout(`line ${i}`);
      return 0;
    case "wait":
    case "hang":
      return await wait(context);
    default: {
      const { getLogger } = await import("@logtape/logtape");
      getLogger(["bskyingest", "demo"]).info("Using {url}", {
        url: context.values.url,
        batch: context.values.batchSize,
      });
      const { apiKey, ...values } = context.values;
      await context.stdout(JSON.stringify({ ...values, hasKey: apiKey !== undefined, keyLength: apiKey?.length }));
      return 0;
    }
  }
}

/** Waits for a signal; `hang` does not end at the first. */
async function wait(context: CommandContext): Promise<number> {
  using signals = listenForSignals({ shutdownTimeoutMs: context.globals.shutdownTimeout });
  const timer = setInterval(() => {}, 1000);
  await context.stdout("ready");
  await aborted(signals.stop);
  await context.stdout(`stopped by ${signals.received}`);
  if (context.positionals[0] === "hang") await aborted(signals.kill);
  clearInterval(timer);
  signals.kill.throwIfAborted();
  return 0;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** The demo beside the real commands. */
export const demoRegistry: readonly RegistryEntry[] = [
  { name: "demo", brief: "What the tests run", group: "Ingest", load: () => Promise.resolve<Command>(demo) },
  ...registry,
];

if (import.meta.main) {
  const run = createMain({ registry: demoRegistry, examples: demo.examples });
  Deno.exitCode = await run(Deno.args);
}
