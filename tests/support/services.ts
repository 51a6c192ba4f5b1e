/**
 * Tests that need something which `scripts/services` installs.
 *
 * @module
 */

/** What a test can need. */
export type ServiceName = "elasticsearch" | "s3" | "redis" | "shells" | "tools";

const env = (name: string): string => Deno.env.get(name) ?? "";

/** Where `scripts/services` keeps what it installs. */
const SERVICES_HOME = `${env("XDG_CACHE_HOME") || `${env("HOME")}/.cache`}/bskyingest/services`;

/** Where it puts Elasticsearch. */
export const ELASTICSEARCH_HOME = `${SERVICES_HOME}/elasticsearch`;

/** Where it puts the S3 server. */
export const S3_HOME = `${SERVICES_HOME}/s3`;

/** The Redis server that it puts in place; another one can be named. */
export const REDIS_SERVER = env("BSKYINGEST_TEST_REDIS_SERVER") || `${SERVICES_HOME}/redis/redis-server`;

/** Whether all of a service is there. */
export function isInstalled(service: ServiceName): boolean {
  return MISSING[service]() === undefined;
}

/** Says what is missing of a service, or `undefined` if all is there. */
const MISSING: Readonly<Record<ServiceName, () => string | undefined>> = {
  elasticsearch: () =>
    isFile(`${ELASTICSEARCH_HOME}/STAMP`) ? firstMissing(["java"]) : "Elasticsearch is not installed",
  s3: () => isFile(`${S3_HOME}/STAMP`) ? undefined : "the S3 server is not installed",
  redis: () => isFile(REDIS_SERVER) ? undefined : "Redis is not installed",
  shells: () => firstMissing(["zsh", "fish"]),
  tools: () => firstMissing(["sqlite3", "gzip", "zstd"]),
};

function firstMissing(commands: readonly string[]): string | undefined {
  return commands.map(missingCommand).find((reason) => reason !== undefined);
}

function missingCommand(name: string): string | undefined {
  const folders = env("PATH").split(":");
  return folders.some((folder) => isFile(`${folder}/${name}`)) ? undefined : `${name} is not installed`;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Registers a test that needs services. Where one is missing the test is ignored and its name says why; with
 * `BSKYINGEST_REQUIRE_SERVICES=1` it fails.
 */
export function serviceTest(
  name: string,
  needs: readonly ServiceName[],
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const missing = needs.flatMap((each) => {
    const reason = MISSING[each]();
    return reason === undefined ? [] : [`${reason}: scripts/services install ${each}`];
  });
  if (missing.length === 0) return Deno.test(name, fn);
  const why = missing.join("; ");
  if (Deno.env.get("BSKYINGEST_REQUIRE_SERVICES") !== "1") return Deno.test.ignore(`${name} (skipped: ${why})`, fn);
  Deno.test(name, () => {
    throw new Error(`Cannot run this test: ${why}`);
  });
}
