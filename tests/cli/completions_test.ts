import assert from "node:assert/strict";
import { serviceTest } from "../support/services.ts";
import { tempFolder } from "../support/temp.ts";
import { runCli } from "../support/cli.ts";

const DEMO = { entry: "tests/support/demo_program.ts" };

/** Gives the script and a line up to the cursor to a real shell; answers with what it offers. */
type Complete = (script: string, line: string, cwd: string) => Promise<string[]>;

async function shell(command: string, args: readonly string[], cwd: string): Promise<string[]> {
  const { stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd, env: { TERM: "dumb" } }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split(/\r?\n/).filter((line) => line !== "");
}

const bash: Complete = async (script, line, cwd) => {
  const body = `source "$1"; read -ra COMP_WORDS <<< "\${2//=/ = }"; [[ $2 == *" " || $2 == *= ]] && COMP_WORDS+=("")
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); [[ $2 == *= ]] && unset "COMP_WORDS[COMP_CWORD]" && ((COMP_CWORD--))
    _bskyingest 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return await shell("bash", ["--norc", "-c", body, "bash", script, line], cwd);
};

const fish: Complete = async (script, line, cwd) => {
  const offers = await shell("fish", ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, line], cwd);
  return offers.map((offer) => offer.split("\t")[0]!.replace(/^--[a-z-]+=/, ""));
};

/** A pseudo-terminal with an interactive zsh, whose compadd tells what it was given. */
const zsh: Complete = async (script, line, cwd) => {
  const body = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; autoload -Uz compinit; compinit -u -d '$PWD/.zcompdump'; source '$1'"
zpty -w z 'compadd() {
  local -a offers=()
  if [[ \${@[(I)-[OAD]]} -gt 0 ]]; then builtin compadd "$@"; return; fi
  builtin compadd -O offers "$@"; builtin compadd "$@"
  (( \${#offers} )) && print -l "OFFER:"\${^offers}
}'
zpty -w z 'finish() { zle complete-word; print DONE-$((1+1)) }; zle -N finish; bindkey "^I" finish; setopt no_list_beep'
# only when the line editor runs is a tab more than a character
zpty -w z 'zle-line-init() { print READY-$((1+1)) }; zle -N zle-line-init'
local output
while zpty -r z output; do [[ $output == *READY-2* ]] && break; done
zpty -w -n z "$2"$'\\t'
while zpty -r z output; do
  [[ $output == *OFFER:* ]] && print -r -- "\${output##*OFFER:}"
  [[ $output == *DONE-2* ]] && break
done
zpty -d z`;
  return await shell("zsh", ["-f", "-c", body, "zsh", script, line], cwd);
};

const CASES: readonly [line: string, offers: readonly string[], not: readonly string[]][] = [
  ["bskyingest co", ["config", "completions"], ["demo"]],
  ["bskyingest config ", ["show", "path", "check"], ["demo"]],
  ["bskyingest config show ", ["demo", "config"], ["path"]],
  ["bskyingest completions ", ["bash", "zsh", "fish"], []],
  ["bskyingest demo --ba", ["--batch-size", "--batch-timeout"], ["--sink"]],
  ["bskyingest demo --api", ["--api-key", "--api-key-file"], []],
  ["bskyingest demo --sink ", ["sqlite", "ndjson", "null"], ["print"]],
  ["bskyingest demo --sink=n", ["ndjson", "null"], ["sqlite"]],
  ["bskyingest --log-level d", ["debug"], ["demo"]],
  ["bskyingest --log-level debug de", ["demo"], []],
  ["bskyingest demo --sink null --ba", ["--batch-size"], []],
  ["bskyingest demo --db some", ["some file.db"], []],
  ["bskyingest config check some", ["some file.db"], []],
  ["bskyingest help de", ["demo"], []],
];

for (const [name, complete] of Object.entries({ bash, zsh, fish })) {
  serviceTest(`L11: completions in ${name}`, ["shells"], async () => {
    using dir = tempFolder();
    await Deno.writeTextFile(`${dir.path}/some file.db`, "");
    const { code, stdout } = await runCli(["completions", name], DEMO);
    assert.equal(code, 0);
    await Deno.writeTextFile(`${dir.path}/script`, stdout);
    for (const [line, offers, not] of CASES) {
      const offered = await complete(`${dir.path}/script`, line, dir.path);
      const got = offered.map((offer) => offer.replaceAll("\\", "").trim());
      for (const offer of offers) assert(got.includes(offer), `"${line}" must offer ${offer}: ${got.join(", ")}`);
      for (const offer of not) assert(!got.includes(offer), `"${line}" must not offer ${offer}: ${got.join(", ")}`);
    }
  });
}
