import assert from "node:assert/strict";
import { type Target, targetsOf } from "../../cli/kit/command.ts";
import { negation, type Options, type TranslatedEnv } from "../../cli/kit/declaration.ts";
import { globalOptions } from "../../cli/options/global.ts";
import { demoRegistry } from "../support/demo_program.ts";

const targets: readonly Target[] = (await Promise.all(demoRegistry.map(targetsOf))).flat();

for (const { path, action } of targets) {
  const options = Object.values<Options[string]>({ ...globalOptions, ...prefixed(action.options) });

  Deno.test(`${path.join(" ")}: no spelling means two things`, () => {
    const spellings = options.flatMap((option) => [
      `--${option.flag}`,
      ...option.aliases.map((alias) => `--${alias}`),
      ...(option.short === undefined ? [] : [`-${option.short}`]),
      ...(option.fromFile ? [`--${option.flag}-file`] : []),
    ]);
    assert.deepEqual(spellings, [...new Set(spellings)]);
    for (const option of options) assert.match(option.flag, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
  });

  Deno.test(`${path.join(" ")}: defaults decode to themselves, conflicts exist, help is one sentence`, () => {
    for (const option of options) {
      const { flag, defaultText, fallback, kind } = option;
      if (defaultText !== undefined && fallback !== undefined && kind !== "toggle") {
        const start = defaultText.split(" ")[0]!;
        if (defaultText === start) assert.deepEqual(option.decode(start), fallback, flag);
      }
      for (const other of option.conflicts) assert(options.some(({ flag }) => flag === other), `${flag}: ${other}`);
      assert.doesNotMatch(option.help, /\.$|\n/, flag);
    }
  });

  Deno.test(`${path.join(" ")}: examples begin with the program and use options that exist`, () => {
    const known = new Set(options.flatMap((option) => [option.flag, negation(option), ...option.aliases]));
    assert(action.examples.length > 0);
    for (const { run } of action.examples) {
      assert.match(run, /\bbskyingest\b/);
      for (const [, flag] of run.matchAll(/ --([a-z0-9-]+)/g)) assert(known.has(flag!), `${run}: --${flag}`);
    }
  });
}

Deno.test("a variable means the same option in every command", () => {
  const meanings = new Map<string, string>();
  for (const { action } of targets) {
    for (const option of Object.values(action.options)) {
      for (const env of option.env as readonly (string | TranslatedEnv)[]) {
        const name = typeof env === "string" ? env : env.name;
        assert.equal(meanings.get(name) ?? option.flag, option.flag, name);
        meanings.set(name, option.flag);
      }
    }
  }
});

/** The command's options beside the global ones, although the keys may be the same. */
function prefixed(options: Options): Options {
  return Object.fromEntries(Object.entries(options).map(([key, option]) => [`command ${key}`, option]));
}
