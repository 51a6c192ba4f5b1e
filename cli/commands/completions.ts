/**
 * `completions bash|zsh|fish`.
 *
 * @module
 */
import { defineCommand } from "../kit/command.ts";
import type { Place } from "../kit/completion/shape.ts";
import { globalOptions } from "../options/global.ts";

/** The `completions` command. */
export const command = defineCommand({
  description:
    "The script completes commands, options, their values and file names. It is made from the declarations of this version: " +
    "print it again after an update.",
  examples: [
    { run: "source <(bskyingest completions bash)", does: "for this shell; in ~/.bashrc for every one" },
    { run: "source <(bskyingest completions zsh)", does: "the same for zsh, after compinit" },
    {
      run: "bskyingest completions fish > ~/.config/fish/completions/bskyingest.fish",
      does: "for every fish",
    },
  ],
  positionals: [{ name: "SHELL", help: "Which shell", required: true, choices: ["bash", "zsh", "fish"] }],
  options: {},
  withoutConfigFile: true,
  async run({ positionals, program, stdout }) {
    const { placesOf } = await import("../kit/completion/shape.ts");
    const places = await placesOf(program, globalOptions);
    await stdout((await script(positionals[0]!, places)).trimEnd());
    return 0;
  },
});

async function script(shell: string, places: readonly Place[]) {
  if (shell === "bash") return (await import("../kit/completion/bash.ts")).bashCompletion(places);
  if (shell === "zsh") return (await import("../kit/completion/zsh.ts")).zshCompletion(places);
  return (await import("../kit/completion/fish.ts")).fishCompletion(places);
}
