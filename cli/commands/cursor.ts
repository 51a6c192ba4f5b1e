/**
 * `cursor show`, `cursor set`, `cursor clear`: saved positions.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { toggle } from "../kit/option.ts";
import { printable } from "../kit/terminal.ts";
import { deliveryOptions, sinkOptions } from "../options/delivery.ts";
import { redisConnectionOptions, redisOptions } from "../options/redis.ts";

const { sink, stateKey, stateFile } = deliveryOptions;
const { db, out, elasticsearchUrl, queueName, queueDir, webhookUrl, webhookQueue } = sinkOptions;
/** The store is found as the ingest command would find it. */
const options = {
  sink,
  db,
  stateFile,
  stateKey,
  out,
  elasticsearchUrl,
  deadLetter: deliveryOptions.deadLetter,
  stream: { ...redisOptions.stream, help: "Stream that the positions are kept beside", defaultText: "jetstream_live" },
  ...redisConnectionOptions,
  queueName,
  queueDir,
  webhookUrl,
  webhookQueue,
};

const show = defineSubcommand({
  brief: "Every position of a store",
  examples: [
    { run: "bskyingest cursor show", does: "positions in ./bskyingest.db" },
    { run: "bskyingest cursor show --sink ndjson --json", does: "of NDJSON runs, a JSON object a line" },
    { run: "bskyingest cursor show --sink redis --stream firehose_live", does: "beside a stream of Redis" },
  ],
  options,
  async run(context) {
    const { store, positionJson, positionLine } = await open(context);
    await using _store = store;
    const rows = await store.list();
    if (rows.length === 0) context.stderr(`No saved positions in ${store.place}`);
    for (const row of rows) {
      await context.stdout(context.globals.json ? JSON.stringify(positionJson(row)) : positionLine(row, Date.now()));
      if (context.globals.verbose && !context.globals.json) await context.stdout(printable(`  ${row.cursor}`));
    }
    return 0;
  },
});

const set = defineSubcommand({
  brief: "Change a position",
  examples: [{ run: "bskyingest cursor set jetstream 1783175888085434", does: "go on after that microsecond" }],
  positionals: [
    { name: "KEY", help: "Which position", required: true },
    { name: "VALUE", help: "As --cursor takes it, or a whole cursor of cursor show --json", required: true },
  ],
  options,
  async run(context) {
    const [key, value] = context.positionals as [string, string];
    const { store, readCursorValue } = await open(context);
    await using _store = store;
    await known(store, key); // a store that is not there has no keys, and holding must not make files beside it
    await store.hold([key]);
    const before = await known(store, key);
    const after = readCursorValue(value, before);
    await store.set(key, after);
    context.stderr(printable(`Position ${key} of ${store.place}: was ${before}, is ${after}`));
    return 0;
  },
});

const clear = defineSubcommand({
  brief: "Forget positions: the next run begins as if it were the first",
  examples: [{ run: "bskyingest cursor clear jetstream", does: "forget one" }],
  positionals: [{ name: "KEY", help: "Which positions", repeatable: true }],
  options: { ...options, all: toggle("all", { help: "All of them", common: true }) },
  async run(context) {
    const { store } = await open(context as unknown as CommandContext<typeof options>);
    await using _store = store;
    const { all } = context.values;
    const { positionals } = context;
    if (all === positionals.length > 0) throw new ConfigError("Cannot clear: name positions, or say --all");
    const keys = all ? (await store.list()).map(({ key }) => key) : [...new Set(positionals)];
    for (const key of keys) await known(store, key);
    await store.hold(keys);
    const before = new Map<string, string>();
    for (const key of keys) before.set(key, await known(store, key));
    await store.clear(keys);
    for (const [key, cursor] of before) {
      context.stderr(printable(`Position ${key} of ${store.place}: was ${cursor}, is none`));
    }
    return 0;
  },
});

/** The `cursor` command. */
export const command: CommandGroup = {
  examples: [...show.examples, ...set.examples],
  subcommands: { show, set, clear },
};

type Store = Awaited<ReturnType<typeof open>>["store"];

async function open(context: CommandContext<typeof options>) {
  const { findTarget, JETSTREAM_STATE } = await import("../ingest/target.ts");
  const positions = await import("../ingest/positions.ts");
  return { store: positions.positionStore(findTarget(context, JETSTREAM_STATE), context.values), ...positions };
}

async function known(store: Store, key: string): Promise<string> {
  const rows = await store.list();
  const row = rows.find((each) => each.key === key);
  if (row) return row.cursor;
  const keys = rows.map((each) => each.key).join(", ");
  throw new ConfigError(
    `Cannot find position "${key}" in ${store.place}: ${keys ? `there are ${keys}` : "there is none"}`,
  );
}
