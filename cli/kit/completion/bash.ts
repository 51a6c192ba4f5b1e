/**
 * Completion for bash, 3.2 and later; needs no bash-completion package.
 *
 * @module
 */
import { type Place, quote, type Value, valueFlags } from "./shape.ts";

/** The script. */
export function bashCompletion(places: readonly Place[]): string {
  const steps = places.filter((place) => place.words.length > 0).map((place) => {
    const prefix = place.path === "" ? "" : `${place.path} `;
    const words = place.words.map(({ name }) => name).join("|");
    return `      ${quote(place.path)}) case "$word" in ${words}) place="${prefix}$word" ;; esac ;;`;
  });
  const values = places.flatMap((place) => {
    return place.flags.filter((flag) => flag.value !== undefined).map((flag) => {
      const patterns = flag.names.map((name) => quote(`${place.path} ${name}`)).join("|");
      return `    ${patterns}) ${reply(flag.value)}; return ;;`;
    });
  });
  const words = places.map((place) => {
    const flags = place.flags.flatMap((flag) => flag.names).filter((name) => name.startsWith("--"));
    const names = place.words.length > 0 ? { words: place.words.map(({ name }) => name) } : place.argument;
    return [
      `    ${quote(place.path)})`,
      `      if [[ $cur == -* ]]; then ${reply({ words: flags })}; else ${reply(names)}; fi ;;`,
    ].join("\n");
  });
  return `# bash completion for bskyingest; source it, or put it into a completions folder
_bskyingest() {
  local IFS=$' \\t\\n' cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" place="" word i
  COMPREPLY=()
  # bash cuts --option=value into three words
  if [[ $cur == "=" ]]; then cur=""
  elif [[ $prev == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      ${valueFlags(places).join("|")}) [[ \${COMP_WORDS[i+1]} == "=" ]] && ((i++)); ((i++)); continue ;;
    esac
    case "$place" in
${steps.join("\n")}
    esac
  done
  case "$place $prev" in
${values.join("\n")}
  esac
  case "$place" in
${words.join("\n")}
  esac
}
_bskyingest_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$1"))
}
complete -F _bskyingest bskyingest
`;
}

function reply(value: Value | undefined): string {
  if (value === "file") return `_bskyingest_files "$cur"`;
  if (value === undefined || value === "any") return ":";
  return `COMPREPLY=($(compgen -W ${quote(value.words.join(" "))} -- "$cur"))`;
}
