/**
 * Completion for fish.
 *
 * @module
 */
import { type Flag, type Place, type Value, valueFlags } from "./shape.ts";

/** The script. */
export function fishCompletion(places: readonly Place[]): string {
  const steps = places.filter((place) => place.words.length > 0).flatMap((place) => {
    const prefix = place.path === "" ? "" : `${place.path} `;
    return [
      `            case ${quote(place.path)}`,
      `                contains -- $word ${place.words.map(({ name }) => name).join(" ")}; and set place ${
        quote(prefix)
      }$word`,
    ];
  });
  return `# fish completion for bskyingest; source it, or put it into ~/.config/fish/completions/bskyingest.fish
function __bskyingest_at --description 'Whether the command line so far leads to this command'
    set -l place ''
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
            continue
        end
        if contains -- $word ${valueFlags(places).join(" ")}
            set is_value 1
            continue
        end
        switch "$place"
${steps.join("\n")}
        end
    end
    test "$place" = "$argv[1]"
end
complete -c bskyingest -f
${places.flatMap(placeLines).join("\n")}
`;
}

function placeLines(place: Place): string[] {
  const start = `complete -c bskyingest -n ${quote(`__bskyingest_at ${quote(place.path)}`)}`;
  const argument = place.argument === undefined || place.argument === "any"
    ? []
    : [`${start}${valuePart(place.argument)}`];
  return [
    ...place.words.map(({ name, help }) => `${start} -a ${name} -d ${quote(help)}`),
    ...argument,
    ...place.flags.map((flag) =>
      `${start}${namesPart(flag)}${flag.value === undefined ? "" : ` -r${valuePart(flag.value)}`} -d ${
        quote(flag.help)
      }`
    ),
  ];
}

function namesPart(flag: Flag): string {
  return flag.names.map((name) => name.startsWith("--") ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`).join("");
}

function valuePart(value: Value): string {
  if (value === "file") return " -F";
  return value === "any" ? " -f" : ` -f -a ${quote(value.words.join(" "))}`;
}

/** Text in single quotes; fish knows two escapes in them. */
function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
