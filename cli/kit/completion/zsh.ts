/**
 * Completion for zsh.
 *
 * @module
 */
import { type Flag, type Place, quote, type Value, type Word } from "./shape.ts";

/** The script. */
export function zshCompletion(places: readonly Place[]): string {
  return `#compdef bskyingest
# zsh completion for bskyingest; source it after compinit, or put it into a folder of $fpath as _bskyingest
${places.map(placeFunction).join("\n")}
if [[ $funcstack[1] == _bskyingest ]]; then
  _bskyingest "$@"
else
  compdef _bskyingest bskyingest
fi
`;
}

/** One function for each place; that of a command with subcommands calls theirs. */
function placeFunction(place: Place): string {
  const flags = place.flags.map(flagSpec);
  if (place.words.length === 0) {
    const argument = place.argument === undefined ? [] : [quote(`*:argument:${action(place.argument)}`)];
    return `${functionName(place.path)}() {\n  _arguments -s -S ${[...flags, ...argument].join(" \\\n    ")}\n}`;
  }
  const prefix = place.path === "" ? "" : `${place.path} `;
  const calls = place.words.map(({ name }) => `        ${name}) ${functionName(prefix + name)} ;;`);
  return `${functionName(place.path)}() {
  local context state state_descr line curcontext="$curcontext"
  typeset -A opt_args
  local -a words_here=(${place.words.map(describe).join(" ")})
  _arguments -C -s -S ${flags.join(" \\\n    ")} \\
    '1: :->word' '*:: :->rest'
  case $state in
    word) _describe -t commands command words_here ;;
    rest)
      case $line[1] in
${calls.join("\n")}
      esac ;;
  esac
}`;
}

function functionName(path: string): string {
  return ["_bskyingest", ...path.split(" ").filter((word) => word !== "")].join("_").replaceAll("-", "_");
}

function describe({ name, help }: Word): string {
  return quote(`${name}:${help}`);
}

/** `'(--sink -s)'{--sink=,-s+}'[help]:value:(a b)'`; written out, because braces and quotes do not mix well. */
function flagSpec({ names, help, value }: Flag): string {
  const text = help.replaceAll(/[[\]:\\]/g, "\\$&");
  const tail = value === undefined ? "" : `:value:${action(value)}`;
  return names.map((name) => {
    const equals = value === undefined ? "" : name.startsWith("--") ? "=" : "+";
    return quote(`*${name}${equals}[${text}]${tail}`);
  }).join(" ");
}

function action(value: Value): string {
  if (value === "file") return "_files";
  return value === "any" ? " " : `(${value.words.join(" ")})`;
}
