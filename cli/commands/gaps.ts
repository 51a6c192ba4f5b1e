/**
 * `gaps list`, `gaps heal` and `gaps accept`: the holes that were detected.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { GapRow } from "../../lib/state/gaps.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { path, text, toggle } from "../kit/option.ts";
import { printable } from "../kit/terminal.ts";
import { sinkOptions } from "../options/delivery.ts";
import { healFlags } from "../options/heal.ts";

const { db } = sinkOptions;
/** Two files may have gaps of one number. */
const ledger = path("ledger", { help: "Only in this file, where two have gaps of that number", common: true });

const list = defineSubcommand({
  brief: "Holes in the streams that were read",
  description: "Reads the database of --db, if it is there, and the ledger of the other sinks.",
  examples: [
    { run: "bskyingest gaps list", does: "the open ones" },
    { run: "bskyingest gaps list --all --json", does: "every one, a JSON object a line" },
  ],
  options: {
    db,
    all: toggle("all", { help: "Healed and accepted ones too", common: true }),
    key: text("key", { help: "Only those of this state key", metavar: "KEY", common: true }),
  },
  async run(context) {
    const { values, globals } = context;
    const { listGaps } = await import("../../lib/state/gaps.ts");
    const rows = (await ledgers(context, values.db)).flatMap((file) =>
      listGaps(file, { all: values.all, key: values.key }).map((row) => ({ file, row }))
    );
    if (globals.json) { for (const { row } of rows) await context.stdout(JSON.stringify(row)); }
    else if (rows.length === 0) context.stderr(values.all ? "No gaps" : "No open gaps");
    else for (const { file, row } of rows) await context.stdout(printable(`${describe(row)}  ${file}`));
    return 0;
  },
});

const accept = defineSubcommand({
  brief: "Close gaps as accepted: known, and not to be had",
  examples: [{ run: "bskyingest gaps accept 3", does: "close gap 3" }],
  positionals: [{ name: "ID", help: "Number that gaps list shows", required: true, repeatable: true }],
  options: {
    db,
    ledger,
  },
  async run(context) {
    const { positionals, values } = context;
    const ids = numbersOf("accept", positionals);
    const { acceptGaps, listGaps } = await import("../../lib/state/gaps.ts");
    const files = values.ledger === undefined ? await ledgers(context, values.db) : [values.ledger];
    const homes = ids.map((id) => ({ id, files: files.filter((file) => listGaps(file).some((row) => row.id === id)) }));
    for (const { id, files } of homes) {
      if (files.length === 0) throw new ConfigError(`Cannot accept gap ${id}: there is no open one with this number`);
      if (files.length > 1) {
        throw new ConfigError(`Cannot accept gap ${id}: ${files.join(" and ")} have one each`, {
          hint: "Name one of the files with --ledger",
        });
      }
    }
    for (const { id, files } of homes) {
      await acceptGaps(files[0]!, [id]);
      context.stderr(`Accepted gap ${id} of ${files[0]}`);
    }
    return 0;
  },
});

const heal = defineSubcommand({
  brief: "Read again what is missing, and close what is whole",
  description:
    "Takes the options of the command that met the gaps, its variables and its section of the configuration file, so that the " +
    "same events go into the same sink: stop that run, or let it go on with --on-gap heal. Times of Jetstream are read from the " +
    "host of the list that begins earliest, numbers of relays and labelers from their host, pages and files are tried again. " +
    "SQLite and Elasticsearch know what they have; other sinks may get events around the gap twice. Exit status 0 when nothing " +
    "of it is open any more, else 3.",
  examples: [
    { run: "bskyingest gaps heal -c app.bsky.feed.post", does: "all of the run jetstream -c app.bsky.feed.post" },
    { run: "bskyingest gaps heal 3 --sink ndjson --out posts.ndjson", does: "one of them, into the file of its run" },
  ],
  positionals: [{ name: "ID", help: "Number that gaps list shows; none: every open one", repeatable: true }],
  options: { ...healFlags, ledger } as typeof healFlags & { readonly ledger: typeof ledger },
  withoutConfigFile: true,
  async run(context) {
    const ids = numbersOf("heal", context.positionals);
    const { usableSettings } = await import("../doctor/settings.ts");
    const { values } = await usableSettings(context, "gaps", { db, ledger });
    const { selectGaps } = await import("../ingest/heal/select.ts");
    const gaps = selectGaps(values.ledger === undefined ? await ledgers(context, values.db) : [values.ledger], ids);
    if (gaps === undefined) {
      context.stderr("No open gaps");
      return 0;
    }
    const { runHeal } = await import("../ingest/heal/run.ts");
    return await runHeal(context as unknown as CommandContext, gaps);
  },
});

/** The `gaps` command. */
export const command: CommandGroup = {
  examples: [...list.examples, ...heal.examples.slice(0, 1), ...accept.examples],
  subcommands: { list, heal, accept },
};

function numbersOf(what: string, texts: readonly string[]): number[] {
  return texts.map((text) => {
    if (!/^[1-9]\d{0,15}$/.test(text)) throw new ConfigError(`Cannot ${what} gap "${text}": it must be a number`);
    return Number(text);
  });
}

/** The files that hold gaps, as far as they are there. */
async function ledgers({ env }: Pick<CommandContext, "env">, db: string): Promise<string[]> {
  const { gapsFile, stateFolder } = await import("../../lib/state/paths.ts");
  const found = [];
  for (const file of [db, gapsFile(stateFolder(env))]) {
    const info = await Deno.stat(file).catch(() => undefined);
    if (info?.isFile) found.push(file);
  }
  return found;
}

function describe({ id, key, reason, host, unit, from, to, state, opened_at, detail }: GapRow): string {
  const place = (n: number | null) =>
    n === null ? "?" : unit === "us" ? new Date(n / 1000).toISOString() : `${unit} ${n}`;
  return `${id}  ${state}  ${reason}  ${key} at ${host}  ${place(from)} to ${place(to)}  found ${opened_at}` +
    (detail === null ? "" : `  ${detail}`);
}
