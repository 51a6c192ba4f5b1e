import assert from "node:assert/strict";
import { runCli, type RunCliOptions } from "../support/cli.ts";

const DEMO = { entry: "tests/support/demo_program.ts" };

/** Runs the demo program, expects exit status 2 with nothing on stdout, and returns the lines of stderr. */
async function misuse(args: readonly string[], options: RunCliOptions = {}): Promise<string[]> {
  const { code, stdout, stderr } = await runCli(args, { ...DEMO, ...options });
  assert.deepEqual({ code, stdout }, { code: 2, stdout: "" }, stderr);
  return stderr.trimEnd().split("\n");
}

/** Runs in a folder with a configuration file. */
async function withConfig<T>(toml: string, fn: (cwd: string) => Promise<T>): Promise<T> {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${cwd}/bskyingest.toml`, toml);
    return await fn(cwd);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

const HELP = 'See "bskyingest demo --help"';

Deno.test("L2: misuse is two lines and exit status 2", async () => {
  const cases: [string[], string, string?][] = [
    [["demo", "--bacth-size", "5"], 'Cannot use option "--bacth-size": no such option, did you mean "--batch-size"?'],
    [["demo", "--db"], 'Cannot use option "--db": a value is required'],
    [["demo", "--batch-size", "many"], 'Cannot use --batch-size "many": it must be an integer from 1 to 10000'],
    [["demo", "--ratio", "2"], 'Cannot use --ratio "2": it must be a number from 0 to 1'],
    [
      ["demo", "--sink", "sqlit"],
      'Cannot use --sink "sqlit": it must be one of sqlite, ndjson, null, did you mean "sqlite"?',
    ],
    [
      ["demo", "--batch-timeout", "1w"],
      'Cannot use --batch-timeout "1w": it must be a duration such as 500ms, 30s, 5m, 2h or 30d',
    ],
    [["demo", "--max-bytes", "12"], 'Cannot use --max-bytes "12": it must be at least 1024 bytes'],
    [["demo", "--since", "x"], 'Cannot use --since "x": it must be a day'],
    [["demo", "-q", "-v"], "Cannot use -q together with -v: they exclude each other"],
    [["demo", "-i", "h", "--url", "ws://h"], "Cannot use --url together with -i: they exclude each other"],
    [
      ["demo", "pront"],
      'Cannot use WHAT "pront": it must be one of print, bug, hint, locked, transient, much, wait, hang, did you mean "print"?',
    ],
    [["demo", "print", "it"], 'Cannot use argument "it": "demo" takes no more'],
    [["demmo"], 'Cannot run "demmo": no such command, did you mean "demo"?', 'See "bskyingest --help"'],
    [
      ["config", "chekc"],
      'Cannot run "config chekc": no such subcommand, did you mean "check"?',
      'See "bskyingest config --help"',
    ],
    [
      ["completions"],
      'Cannot run "completions": the argument SHELL is missing, one of bash, zsh, fish',
      'See "bskyingest completions --help"',
    ],
    [
      ["config", "show", "dmeo"],
      'Cannot show the settings of "dmeo": no such command, did you mean "demo"?',
      'See "bskyingest config show --help"',
    ],
  ];
  for (const [args, line, pointer = HELP] of cases) assert.deepEqual(await misuse(args), [line, pointer]);
});

Deno.test("L2: a command's options before its name are explained, global ones are accepted", async () => {
  assert.deepEqual(await misuse(["--batch-size", "5", "demo"]), [
    'Cannot use option "--batch-size": no such option',
    'The options of a command come after its name, see "bskyingest --help"',
  ]);
  assert.equal((await runCli(["--log-level", "error", "--dry-run", "demo"], DEMO)).code, 0);
});

Deno.test("L2: several faults are all reported, a line each", async () => {
  assert.deepEqual(
    await misuse(["demo", "--batch-size=0", "--nope", "--sink=x"], { env: { BSKYINGEST_DRY_RUN: "x" } }),
    [
      'Cannot use option "--nope": no such option',
      'Cannot use --sink "x": it must be one of sqlite, ndjson, null',
      'Cannot use --batch-size "0": it must be an integer from 1 to 10000',
      'Cannot use BSKYINGEST_DRY_RUN "x": it must be true or false',
      HELP,
    ],
  );
});

Deno.test("L4: bad variables are named, also those of the global options", async () => {
  assert.deepEqual(await misuse(["demo"], { env: { INGESTER_BATCH_SIZE: "-1" } }), [
    'Cannot use INGESTER_BATCH_SIZE "-1": it must be an integer from 1 to 10000',
    HELP,
  ]);
  assert.deepEqual(await misuse(["demo"], { env: { LOGGING_ENABLED: "perhaps" } }), [
    'Cannot use LOGGING_ENABLED "perhaps": it must be true or false',
    HELP,
  ]);
  assert.deepEqual(await misuse(["demo"], { env: { DEMO_API_KEY_FILE: "missing" } }), [
    'Cannot use DEMO_API_KEY_FILE: the file "missing" cannot be read (No such file or directory)',
    HELP,
  ]);
});

Deno.test("older logging variables set the level", async () => {
  const level = async (env: Record<string, string>) => {
    const { stdout } = await runCli(["config", "show", "config", "--json"], { env });
    return stdout.split("\n").map((line) => line && JSON.parse(line)).find((row) => row.option === "log-level");
  };
  assert.deepEqual(await level({ RUST_LOG: "warn,hyper=debug" }), {
    command: null,
    option: "log-level",
    value: "warning",
    origin: "env",
    name: "RUST_LOG",
  });
  assert.equal((await level({ RUST_LOG: "hyper=debug" })).value, "info");
  assert.equal((await level({ RUST_LOG: "ingester=debug,rsky_ingester=info" })).origin, "env", "R46");
  assert.equal((await level({ RUST_LOG: "ingester=debug,rsky_ingester=info" })).value, "info", "R46");
  assert.equal((await level({ RUST_LOG: "ingester=TRACE, hyper=off" })).value, "debug");
  assert.equal((await level({ RUST_LOG: "bskyingest=warn,rsky_ingester=debug" })).value, "warning");
  assert.equal((await level({ RUST_LOG: "ingester=debug,error" })).value, "error");
  assert.equal((await level({ RUST_LOG: "ingester=constructor,rsky_ingester" })).origin, "default");
  assert.equal((await level({ RUST_LOG: "hyper=debug", LOGGING_ENABLED: "false" })).value, "error");
  assert.equal((await level({ LOGGING_ENABLED: "true" })).origin, "default");
});

Deno.test("L6: broken TOML, unknown key or section, wrong type: file, line and key", async () => {
  const cases: [string, RegExp][] = [
    ["batch-size = 5\nsink = \n", /^Cannot parse bskyingest\.toml:2 \(key "sink"\): /],
    [
      "batchsize = 5",
      /^Cannot use key "batchsize" in bskyingest\.toml:1: no such option, did you mean "batch-size"\?$/,
    ],
    [
      "[demo]\n\nkonds = 5",
      /^Cannot use key "konds" in bskyingest\.toml:3: "demo" has no such option, did you mean "kinds"\?$/,
    ],
    [
      "[dmeo]\nkinds = 5",
      /^Cannot use section "\[dmeo\]" in bskyingest\.toml:1: no such command, did you mean "demo"\?$/,
    ],
    [
      "[demo]\nbatch-size = true",
      /^Cannot use batch-size "true" in bskyingest\.toml:2: it must be a number, without quotes$/,
    ],
    ["config = 'other.toml'", /^Cannot use key "config" in bskyingest\.toml:1: no such option/],
  ];
  for (const [toml, expected] of cases) {
    await withConfig(toml, async (cwd) => {
      const [line, pointer, ...more] = await misuse(["demo"], { cwd });
      assert.match(line!, expected);
      assert.deepEqual([pointer, more], [HELP, []]);
      const [checked] = await misuse(["config", "check"], { cwd });
      assert.match(checked!, expected);
      assert.equal((await runCli(["demo", "--no-config"], { ...DEMO, cwd })).code, 0);
      assert.equal((await runCli(["config", "path"], { ...DEMO, cwd })).stdout, "bskyingest.toml\n");
    });
  }
});

Deno.test("a key of another command is no fault, and `config check` finds what is wrong with it", async () => {
  await withConfig("batch-size = 'five'\n[demo]\nsink = 'null'\n", async (cwd) => {
    assert.equal((await runCli(["completions", "bash"], { ...DEMO, cwd })).code, 0);
    assert.deepEqual(await misuse(["config", "check"], { cwd }), [
      'Cannot use batch-size "five" in bskyingest.toml:1: it must be a number, without quotes',
      'See "bskyingest config check --help"',
    ]);
  });
  await withConfig("batch-size = 5\n[demo]\nsink = 'null'\n", async (cwd) => {
    const { code, stderr } = await runCli(["config", "check"], { ...DEMO, cwd });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "bskyingest.toml: no faults\n" });
    assert.match((await misuse(["config", "check", "no.toml"], { cwd }))[0]!, /"no\.toml": No such file or directory$/);
  });
});

Deno.test("L3: config show names value and origin of each setting", async () => {
  await withConfig('ratio = 0.5\n[demo]\nsink = "null"\n', async (cwd) => {
    const env = { BSKYINGEST_DB: "x.db", GE_JETSTREAM_COLLECTIONS: "a,b" };
    const { stdout } = await runCli(["config", "show", "demo", "--log-level", "debug"], { ...DEMO, cwd, env });
    for (
      const line of [
        /^log-level +debug +flag --log-level$/m,
        /^\[demo\]$/m,
        /^db +x\.db +env BSKYINGEST_DB$/m,
        /^wanted-collections +a,b +env GE_JETSTREAM_COLLECTIONS$/m,
        /^sink +null +file bskyingest\.toml:3$/m,
        /^ratio +0\.5 +file bskyingest\.toml:1$/m,
        /^batch-size +500 +default$/m,
      ]
    ) assert.match(stdout, line);
    const json = await runCli(["config", "show", "demo", "--json"], { ...DEMO, cwd, env });
    const rows = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(rows.find((row) => row.option === "wanted-collections"), {
      command: "demo",
      option: "wanted-collections",
      value: ["a", "b"],
      origin: "env",
      name: "GE_JETSTREAM_COLLECTIONS",
    });
  });
});

Deno.test("L5: secrets do not appear in config show, logs or errors", async () => {
  const env = { DEMO_API_KEY: "marker-key", JETSTREAM_URL: "wss://user:marker-password@host/subscribe" };
  const runs = [["config", "show"], ["config", "show", "demo", "--json"], ["demo"], ["demo", "transient"], [
    "demo",
    "--verbose",
  ]];
  for (const args of runs) {
    const { stdout, stderr } = await runCli(args, { ...DEMO, env });
    // The demo prints its values as a command's data; what the kit prints around it must be clean.
    assert.doesNotMatch(args[0] === "demo" ? stderr : stdout + stderr, /marker/, args.join(" "));
    assert.match(stdout + stderr, /\*\*\*/);
  }
  const bad = await misuse(["demo", "--url", "http://user:marker@host", "--api-kye", "marker"], { env });
  assert.doesNotMatch(bad.join("\n"), /marker/);
});
