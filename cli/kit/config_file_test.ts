import assert from "node:assert/strict";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { findConfigFile, parseConfig } from "./config_file.ts";

function system(files: Record<string, string>, env: Record<string, string>) {
  const readFile = (path: string) => {
    if (!Object.hasOwn(files, path)) throw new Deno.errors.NotFound("No such file or directory (os error 2)");
    return files[path]!;
  };
  return { env: (name: string) => env[name], readFile };
}

Deno.test("the first of --config, ./bskyingest.toml and the XDG folder is used, and only that", () => {
  const files = {
    "a.toml": "",
    "bskyingest.toml": "",
    "/x/bskyingest/config.toml": "",
    "/h/.config/bskyingest/config.toml": "",
  };
  const env = { HOME: "/h", XDG_CONFIG_HOME: "/x" };
  assert.equal(findConfigFile("a.toml", system(files, env))?.path, "a.toml");
  assert.equal(findConfigFile(undefined, system(files, env))?.path, "bskyingest.toml");
  const { "bskyingest.toml": _, ...elsewhere } = files;
  assert.equal(findConfigFile(undefined, system(elsewhere, env))?.path, "/x/bskyingest/config.toml");
  assert.equal(findConfigFile(undefined, system(elsewhere, { HOME: "/h" }))?.path, "/h/.config/bskyingest/config.toml");
  assert.equal(findConfigFile(undefined, system(elsewhere, {})), undefined);
});

Deno.test("a file that was named must be there", () => {
  assert.throws(() => findConfigFile("a.toml", system({}, {})), {
    name: "ConfigError",
    message: 'Cannot read configuration file "a.toml": No such file or directory',
  });
});

Deno.test("L6: broken TOML names file, line and key, and shows nothing of the content", async () => {
  await assert.rejects(parseConfig("c.toml", 'a = 1\napi-key = "marker\n'), (error) => {
    assert(error instanceof ConfigError);
    assert.match(error.message, /^Cannot parse c\.toml:2 \(key "api-key"\): /);
    assert.doesNotMatch(error.message, /marker/);
    return true;
  });
});

Deno.test("more than 1 MiB is refused", async () => {
  await assert.rejects(parseConfig("c.toml", "#".repeat(2 ** 20 + 1)), /larger than 1 MiB/);
});

Deno.test("keys are found in sections, dotted and quoted", async () => {
  const text = '\n"a" = 1\ndemo.b = 2\n[other]\na = 3\n[ "third" ]\n  a=4';
  const file = await parseConfig("c.toml", text);
  assert.equal(file.place(undefined, "a"), "c.toml:2");
  assert.equal(file.place("demo", "b"), "c.toml:3");
  assert.equal(file.place("other", "a"), "c.toml:5");
  assert.equal(file.place("other", undefined), "c.toml:4");
  assert.equal(file.place("third", "a"), "c.toml:7");
  assert.equal(file.place("none", "a"), "c.toml");
});
