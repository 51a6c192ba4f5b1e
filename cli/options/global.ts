/**
 * The options that every command has.
 *
 * @module
 */
import { MOST_TIMER_MS } from "../kit/units.ts";
import { choice, decodeBoolean, duration, path, toggle } from "../kit/option.ts";

const group = "Global options";

/** How much is logged. */
export const LOG_LEVELS = ["debug", "info", "warning", "error", "off"] as const;

const RUST_LEVELS: ReadonlyMap<string, typeof LOG_LEVELS[number]> = new Map([
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warning"],
  ["warning", "warning"],
  ["error", "error"],
  ["off", "off"],
]);

/** Whose levels count in `hyper=debug,ingester=info`, strongest first: everybody's, then ours by our names, old and new. */
const RUST_TARGETS = ["", "bskyingest", "rsky_ingester", "ingester"];

/** What names no level for us says nothing, as it does to the tool it was written for. */
function readRustLog(text: string): string | undefined {
  const parts = text.toLowerCase().split(",").map((part) => {
    const [word = "", target = ""] = part.split("=").map((each) => each.trim()).reverse();
    return { target, level: RUST_LEVELS.get(word) };
  }).filter(({ level }) => level !== undefined);
  return RUST_TARGETS.map((target) => parts.find((part) => part.target === target)).find(Boolean)?.level;
}

/** Their declarations. */
export const globalOptions = {
  config: path("config", {
    help: "Configuration file (TOML)",
    group,
    inFile: false,
    conflicts: ["no-config"],
    defaultText: "./bskyingest.toml, else $XDG_CONFIG_HOME/bskyingest/config.toml",
  }),
  noConfig: toggle("no-config", { help: "Read no configuration file", group, inFile: false }),
  logLevel: choice(
    "log-level",
    {
      help: "How much is logged on stderr",
      group,
      metavar: "LEVEL",
      env: [
        { name: "RUST_LOG", read: readRustLog },
        { name: "LOGGING_ENABLED", read: (text) => decodeBoolean(text) ? undefined : "error" },
      ],
    },
    LOG_LEVELS,
    "info",
  ),
  logFormat: choice(
    "log-format",
    {
      help: "Format of the log; auto is text",
      group,
      metavar: "FORMAT",
    },
    ["auto", "text", "json", "logfmt"],
    "auto",
  ),
  logFile: path("log-file", { help: "Append the log to this file as well", group }),
  quiet: toggle("quiet", { help: "Only warnings and errors", group, short: "q", common: true, conflicts: ["verbose"] }),
  verbose: toggle("verbose", {
    help: "Log details too (level debug)",
    group,
    short: "v",
    aliases: ["debug"],
  }),
  json: toggle("json", { help: "Machine-readable output on stdout", group, common: true }),
  color: choice("color", { help: "Colour in the output", group }, ["auto", "always", "never"], "auto"),
  shutdownTimeout: duration("shutdown-timeout", {
    help: "After a signal, how long writes may take to finish",
    group,
    max: MOST_TIMER_MS,
  }, "25s"),
  help: toggle("help", { help: "-h: short help; --help: everything", group, short: "h", flagOnly: true, common: true }),
  version: toggle("version", {
    help: "Version of this program and of what it runs on",
    group,
    short: "V",
    flagOnly: true,
  }),
} as const;

/** The type of {@linkcode globalOptions}. */
export type GlobalOptions = typeof globalOptions;
