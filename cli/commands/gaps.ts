/**
 * `gaps list` and `gaps accept`: the holes that were detected.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import type { GapRow } from "../../lib/state/gaps.ts";
import { type CommandContext, type CommandGroup, defineSubcommand } from "../kit/command.ts";
import { path, text, toggle } from "../kit/option.ts";
import { sinkOptions } from "../options/delivery.ts";

const { db } = sinkOptions;

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
    else for (const { file, row } of rows) await context.stdout(`${describe(row)}  ${file}`);
    return 0;
  },
});

const accept = defineSubcommand({
  brief: "Close gaps as accepted: known, and not to be had",
  examples: [{ run: "bskyingest gaps accept 3", does: "close gap 3" }],
  positionals: [{ name: "ID", help: "Number that gaps list shows", required: true, repeatable: true }],
  options: {
    db,
    ledger: path("ledger", { help: "Only in this file, where two have gaps of that number", common: true }),
  },
  async run(context) {
    const { positionals, values } = context;
    const ids = positionals.map((text) => {
      if (!/^[1-9]\d{0,15}$/.test(text)) throw new ConfigError(`Cannot accept gap "${text}": it must be a number`);
      return Number(text);
    });
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

/** The `gaps` command. */
export const command: CommandGroup = {
  examples: [...list.examples, ...accept.examples],
  subcommands: { list, accept },
};

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
