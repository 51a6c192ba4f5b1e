/**
 * `top`: watches a running instance in the terminal.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { defineCommand } from "../kit/command.ts";
import { toggle } from "../kit/option.ts";
import { terminalWidth, wantsColor } from "../kit/terminal.ts";
import { listenOptions } from "../options/listen.ts";

/** The `top` command. */
export const command = defineCommand({
  description:
    "Asks the operations server of a running instance (its option --listen) and draws what it says each second; q ends it. " +
    "Where the output is no terminal, one plain picture.",
  examples: [
    { run: "bskyingest top 9090", does: "watch what runs with --listen 9090" },
    { run: "BSKYINGEST_LISTEN_TOKEN_FILE=token bskyingest top db1:9090", does: "on another machine" },
    { run: "bskyingest top --once", does: "one picture, of the address in METRICS_PORT or the configuration file" },
    { run: "bskyingest top 9090 --json", does: "what /stats and /status say, once" },
  ],
  positionals: [{ name: "ADDR", help: "Where it listens: PORT or HOST:PORT (default: as --listen)" }],
  options: {
    listen: { ...listenOptions.listen, help: "The same as ADDR" },
    listenToken: { ...listenOptions.listenToken, help: "The token of that instance" },
    once: toggle("once", { help: "One picture", common: true, flagOnly: true }),
  },
  async run(context) {
    const { values, globals, env, stdout } = context;
    const { look, parseAddress } = await import("../top/ask.ts");
    const [text] = context.positionals;
    const address = text === undefined ? values.listen : parseAddress(text);
    if (address === undefined) {
      throw new ConfigError("Cannot find the instance: no address is given", {
        hint: "For example: bskyingest top 9090",
      });
    }
    const instance = { address, token: values.listenToken };
    const seen = await look(instance);
    if (globals.json) {
      await stdout(JSON.stringify(seen));
      return 0;
    }
    const { pictureOf, textOf } = await import("../top/picture.ts");
    const isTerminal = Deno.stdout.isTerminal();
    const color = wantsColor(globals.color, env, isTerminal);
    if (values.once || !isTerminal) {
      const options = { width: terminalWidth(env), height: Infinity, rates: [], now: Date.now() };
      for (const line of textOf(pictureOf(seen, options), color)) await stdout(line);
      return 0;
    }
    const { showScreen } = await import("../top/screen.ts");
    const { listenForSignals } = await import("../signals.ts");
    using signals = listenForSignals({ shutdownTimeoutMs: globals.shutdownTimeout });
    await showScreen({ first: seen, look: () => look(instance), color, stop: signals.stop });
    return 0;
  },
});
