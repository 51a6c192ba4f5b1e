/**
 * From options of the command line to the folder or bucket with the files.
 *
 * @module
 */
import { ConfigError } from "../../../lib/pipeline/errors.ts";
import type { FileStore } from "../../../lib/sources/megastream/files.ts";
import type { S3ClientOptions } from "../../../lib/sources/megastream/s3_client.ts";
import type { TempFiles } from "../../../lib/sources/megastream/temp_files.ts";
import type { CommandContext } from "../../kit/command.ts";
import type { megastreamOptions } from "../../options/megastream.ts";

/** What the command was given. */
export type MegastreamContext = CommandContext<typeof megastreamOptions>;

/** Options that only one of the sources has; set by environment or configuration file they do not matter to the other. */
const OF_LOCAL = ["path"] as const;
const OF_S3 = ["s3Bucket", "s3Prefix", "s3Endpoint", "s3PathStyle", "awsRegion", "requestPayer", "lateWindow"] as const;

/**
 * Opens the folder or bucket.
 *
 * @throws {ConfigError} for options of the other source, none of its own, or a folder that cannot be read.
 */
export async function openStore(
  context: Pick<MegastreamContext, "values" | "origins" | "env" | "given">,
  temp: TempFiles,
): Promise<FileStore> {
  const { values, origins } = context;
  const { source, path, s3Bucket: bucket, recursive } = values;
  const wrong = (source === "local" ? OF_S3 : OF_LOCAL).find((key) => origins[key].source === "flag");
  if (wrong) {
    throw new ConfigError(`Cannot use ${origins[wrong].name} with --source ${source}: it is of the other source`);
  }
  if (source === "local") {
    if (path.length === 0) {
      throw new ConfigError("Cannot look for files: no folder is named", {
        hint: "Name one with --path or LOCAL_SQLITE_DB_PATH, or use --source s3",
      });
    }
    const { localStore } = await import("../../../lib/sources/megastream/local_store.ts");
    return await localStore({ paths: path, recursive });
  }
  if (values.deleteAfter) {
    throw new ConfigError("Cannot use --delete-after with --source s3: only local files are removed");
  }
  if (bucket === undefined) {
    throw new ConfigError("Cannot look for files: no bucket is named", {
      hint: "Name it with --s3-bucket or S3_SQLITE_DB_BUCKET",
    });
  }
  const { s3Store } = await import("../../../lib/sources/megastream/s3_store.ts");
  return await s3Store({
    bucket,
    prefix: values.s3Prefix,
    region: values.awsRegion,
    endpoint: values.s3Endpoint,
    pathStyle: context.given("s3PathStyle") ? values.s3PathStyle : undefined,
    requestPayer: values.requestPayer,
    credentials: olderCredentials(context),
    recursive,
    temp,
  });
}

/** Those of ingex; undefined: what AWS's own tools would find. */
function olderCredentials({ env }: Pick<MegastreamContext, "env">): S3ClientOptions["credentials"] {
  const [accessKeyId, secretAccessKey] = [env("GE_AWS_S3_ACCESS_KEY"), env("GE_AWS_S3_SECRET_KEY")];
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey };
  if (!accessKeyId && !secretAccessKey) return undefined;
  const [there, missing] = accessKeyId
    ? ["GE_AWS_S3_ACCESS_KEY", "GE_AWS_S3_SECRET_KEY"]
    : ["GE_AWS_S3_SECRET_KEY", "GE_AWS_S3_ACCESS_KEY"];
  throw new ConfigError(`Cannot use ${there} without ${missing}`);
}
