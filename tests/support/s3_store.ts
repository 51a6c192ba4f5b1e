/**
 * Stores over the S3 servers of tests.
 *
 * @module
 */
import { S3_CREDENTIALS, S3_REGION } from "./s3.ts";
import { tempFolder } from "./temp.ts";
import type { FileStore } from "../../lib/sources/megastream/files.ts";
import { s3Store, type S3StoreOptions } from "../../lib/sources/megastream/s3_store.ts";
import { tempFiles } from "../../lib/sources/megastream/temp_files.ts";

/** A store, and what it leaves behind. */
export interface TestStore extends FileStore {
  /** The names of the temporary files that there are. */
  temporary(): string[];
}

/** Makes a store over a bucket of the server at `url`, with what most tests have in common; retries do not wait. */
export async function testStore(
  { url, ...options }: Partial<S3StoreOptions> & { readonly url: string; readonly bucket: string },
): Promise<TestStore> {
  const folder = tempFolder();
  const store = await s3Store({
    region: S3_REGION,
    endpoint: url,
    requestPayer: true,
    credentials: S3_CREDENTIALS,
    recursive: false,
    temp: await tempFiles(folder.path),
    backoff: () => 0,
    ...options,
  });
  return {
    ...store,
    temporary: () => [...Deno.readDirSync(folder.path)].map(({ name }) => name),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
