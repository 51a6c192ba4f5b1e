/**
 * Filters on what events say, the same for every ingest command and for `replay`.
 *
 * @module
 */
import { choice, list, number, path, text } from "../kit/option.ts";

const group = "Filters";

/** Declarations of the options. */
export const filterOptions = {
  ops: list("ops", {
    help: "Operations of commits; other kinds pass",
    group,
    metavar: "LIST",
    choices: ["create", "update", "delete"],
    defaultText: "all of them",
  }),
  langs: list("langs", {
    help: "Posts must name one of these languages; pt matches pt-BR. All else passes",
    group,
    metavar: "LIST",
  }),
  where: text("where", {
    help: 'CEL expression, such as event.commit.record.langs.exists(l, l == "ja")',
    group,
    metavar: "EXPR",
  }),
  sample: number("sample", {
    help: "Share of accounts, always the same ones: 0 < P <= 1",
    group,
    metavar: "P",
    max: 1,
  }),
  validate: choice(
    "validate",
    { help: "Check records against lexicons; reject = dead letter", group },
    ["off", "warn", "reject"],
    "off",
  ),
  lexicons: path("lexicons", {
    help: "Folder with more lexicons (JSON) than the built-in ones of app.bsky and chat.bsky",
    group,
    metavar: "DIR",
  }),
} as const;
