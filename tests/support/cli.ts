/**
 * Runs the command line program as a child process.
 *
 * @module
 */
import { ROOT } from "./paths.ts";

/** How to run it. */
export interface RunCliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory; default: an empty temporary folder. */
  readonly cwd?: string;
  /** What it reads on stdin; default: nothing. */
  readonly stdin?: string;
  /** The module to run, relative to the repository; default: the program. */
  readonly entry?: string;
}

/** How it ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where the program starts. */
export const ENTRY = "mod.ts";

/** The arguments for `Deno.Command` that start the program, with all permissions or some. */
export function cliArgs(
  args: readonly string[],
  entry: string = ENTRY,
  permissions: readonly string[] = ["-A"],
): string[] {
  return [
    "run",
    "--no-prompt",
    ...permissions,
    "--quiet",
    "--no-check",
    "--cached-only",
    "--config",
    `${ROOT}/deno.json`,
    `${ROOT}/${entry}`,
    ...args,
  ];
}

/** An environment without the user's settings: home and XDG folders are below `home`. */
export function cliEnv(home: string, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const inherited = ["PATH", "DENO_DIR", "TMPDIR", "SSL_CERT_FILE", "DENO_CERT"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    // Deno's cache stays where it is although HOME moves.
    DENO_DIR: denoDir(),
    HOME: home,
    XDG_CONFIG_HOME: `${home}/.config`,
    XDG_STATE_HOME: `${home}/.local/state`,
    XDG_CACHE_HOME: `${home}/.cache`,
    NO_COLOR: "1",
    COLUMNS: "80",
    ...env,
  };
}

function denoDir(): string {
  const home = Deno.env.get("HOME");
  const caches = Deno.env.get("XDG_CACHE_HOME") ??
    (Deno.build.os === "darwin" ? `${home}/Library/Caches` : `${home}/.cache`);
  return Deno.env.get("DENO_DIR") ?? `${caches}/deno`;
}

/** Runs the program to its end, in a temporary folder that is also its home. */
export async function runCli(args: readonly string[], options: RunCliOptions = {}): Promise<CliResult> {
  const home = await Deno.makeTempDir({ prefix: "bskyingest-cli-" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: cliArgs(args, options.entry),
      env: cliEnv(home, options.env),
      clearEnv: true,
      cwd: options.cwd ?? home,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
