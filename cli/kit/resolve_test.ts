import assert from "node:assert/strict";
import fc from "fast-check";
import { demoOptions } from "../../tests/support/demo_program.ts";
import { parseArguments } from "./arguments.ts";
import { lookup, parseConfig } from "./config_file.ts";
import { resolve } from "./resolve.ts";

interface Given {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly toml?: string;
  readonly files?: Readonly<Record<string, string>>;
}

async function resolved({ args = [], env = {}, toml = "", files = {} }: Given) {
  const { flags, faults } = parseArguments(args, demoOptions);
  const file = lookup(await parseConfig("c.toml", toml), "demo");
  const readFile = (path: string) => {
    if (!Object.hasOwn(files, path)) throw new Deno.errors.NotFound("No such file (os error 2): open");
    return files[path]!;
  };
  const result = resolve(demoOptions, { flags, env: (name) => env[name], file, readFile });
  return { ...result, faults: [...faults, ...result.faults] };
}

async function faultsOf(given: Given): Promise<readonly string[]> {
  return (await resolved(given)).faults;
}

Deno.test("L3: of random places that set an option the strongest wins", async () => {
  const places = ["flag", "env", "old", "section", "top"] as const;
  const seed = Deno.env.get("FC_SEED");
  await fc.assert(
    fc.asyncProperty(fc.subarray([...places]), fc.constantFrom("batch-size", "api-key"), async (set, flag) => {
      const value = (place: typeof places[number]) => 100 + places.indexOf(place);
      const name = flag.toUpperCase().replace("-", "_");
      const older = flag === "batch-size" ? "INGESTER_BATCH_SIZE" : "GE_DEMO_API_KEY";
      const toml = (place: "section" | "top") => `${flag} = ${flag === "api-key" ? `"${value(place)}"` : value(place)}`;
      const { values, origins, faults } = await resolved({
        args: set.includes("flag") ? [`--${flag}`, String(value("flag"))] : [],
        env: {
          ...(set.includes("env") ? { [`BSKYINGEST_${name}`]: String(value("env")) } : { [`BSKYINGEST_${name}`]: "" }),
          ...(set.includes("old") ? { [older]: String(value("old")) } : {}),
        },
        toml: [set.includes("top") ? toml("top") : "", "[demo]", set.includes("section") ? toml("section") : ""].join(
          "\n",
        ),
      });
      assert.deepEqual(faults, []);
      const strongest = places.find((place) => set.includes(place));
      const key = flag === "batch-size" ? "batchSize" : "apiKey";
      const fallback = flag === "batch-size" ? "500" : "undefined";
      assert.equal(String(values[key]), strongest === undefined ? fallback : String(value(strongest)));
      const names = { flag: `--${flag}`, env: `BSKYINGEST_${name}`, old: older, section: "c.toml:3", top: "c.toml:1" };
      assert.equal(origins[key].name, strongest === undefined ? "" : names[strongest]);
    }),
    { numRuns: 300, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  );
});

Deno.test("every type is read from flags, environment and file", async () => {
  const { values, faults } = await resolved({
    args: ["--since", "2026-01-02", "--sink", "null"],
    env: { BSKYINGEST_DRY_RUN: "Yes", GE_JETSTREAM_COLLECTIONS: " a , ,b ", INGESTER_BATCH_TIMEOUT_MS: "250" },
    toml: 'ratio = 0.5\nmax-bytes = "64KiB"\nmax-rewind = 3\nkinds = ["commit"]\ndedupe = false\nurl = "wss://h/s"',
  });
  assert.deepEqual(faults, []);
  assert.equal(values.since, Date.parse("2026-01-02"));
  assert.equal(values.sink, "null");
  assert.equal(values.dryRun, true);
  assert.deepEqual(values.collections, ["a", "b"]);
  assert.equal(values.batchTimeout, 250);
  assert.equal(values.ratio, 0.5);
  assert.equal(values.maxBytes, 65_536);
  assert.equal(values.maxRewind, 180_000);
  assert.deepEqual(values.kinds, ["commit"]);
  assert.equal(values.dedupe, false);
  assert.equal(values.url, "wss://h/s");
  assert.equal(values.name, undefined);
});

Deno.test("L4: a bad value names the variable; an empty one is as good as none", async () => {
  assert.deepEqual(
    await faultsOf({ env: { BSKYINGEST_BATCH_SIZE: "", JETSTREAM_URL: "", BSKYINGEST_API_KEY_FILE: "" } }),
    [],
  );
  const faults = await faultsOf({
    env: {
      BSKYINGEST_BATCH_SIZE: "1e3",
      BSKYINGEST_DRY_RUN: "maybe",
      JETSTREAM_URL: "http://me:marker@h",
      INGESTER_BATCH_TIMEOUT_MS: "soon",
    },
  });
  assert.deepEqual(faults, [
    'Cannot use JETSTREAM_URL "http://me:***@h": it must be a URL that begins with ws:// or wss://',
    'Cannot use BSKYINGEST_BATCH_SIZE "1e3": it must be an integer from 1 to 10000',
    'Cannot use INGESTER_BATCH_TIMEOUT_MS "soon": it must be a duration such as 500ms, 30s, 5m, 2h or 30d',
    'Cannot use BSKYINGEST_DRY_RUN "maybe": it must be true or false',
  ]);
});

Deno.test("L4: a secret comes from the file that X_FILE, --x-file or a key names; an unreadable or empty one is a fault", async () => {
  const files = { good: "marker\n", empty: "\n" };
  for (
    const given of [{ env: { DEMO_API_KEY_FILE: "good" } }, { args: ["--api-key-file", "good"] }, {
      toml: 'api-key-file = "good"',
    }]
  ) {
    const { values, faults } = await resolved({ ...given, files });
    assert.deepEqual(faults, []);
    assert.equal(values.apiKey, "marker");
  }
  assert.deepEqual(await faultsOf({ env: { BSKYINGEST_API_KEY_FILE: "bad" }, files }), [
    'Cannot use BSKYINGEST_API_KEY_FILE: the file "bad" cannot be read (No such file)',
  ]);
  assert.deepEqual(await faultsOf({ args: ["--api-key-file", "empty"], files }), [
    'Cannot use --api-key-file: the file "empty" is empty',
  ]);
  assert.deepEqual(await faultsOf({ args: ["--api-key-file", "good", "--api-key", "x"], files }), [
    "Cannot use --api-key together with --api-key-file: they exclude each other",
  ]);
});

Deno.test("L6: a wrong type in the file names key, file and line", async () => {
  const wrong = {
    'batch-size = "5"': "it must be a number, without quotes",
    "dry-run = 1": "it must be true or false, without quotes",
    "db = 5": "it must be a string",
    "kinds = [1]": "it must be a list of strings",
    "batch-timeout = true": "it must be a string",
    "sink = [1]": "it must be a string",
  };
  for (const [line, reason] of Object.entries(wrong)) {
    const [key, value] = line.split(" = ");
    assert.deepEqual(await faultsOf({ toml: `# one\n${line}` }), [
      `Cannot use ${key} "${value!.replaceAll('"', "")}" in c.toml:2: ${reason}`,
    ]);
  }
});

Deno.test("L2: of two options that exclude each other the stronger wins, as equals they are a fault", async () => {
  const { values, faults } = await resolved({ args: ["-i", "host"], env: { JETSTREAM_URL: "wss://h" } });
  assert.deepEqual(faults, []);
  assert.equal(values.url, undefined);
  assert.deepEqual(values.instance, ["host"]);
  assert.deepEqual(await faultsOf({ args: ["-i", "host", "--url", "wss://h"] }), [
    "Cannot use --url together with -i: they exclude each other",
  ]);
});
