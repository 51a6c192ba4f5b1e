/**
 * The two requests that are sent to S3.
 *
 * @module
 */
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";

/** Where a bucket is, and as whom it is asked. */
export interface S3ClientOptions {
  /** Its name. */
  readonly bucket: string;
  /** `us-east-1` */
  readonly region: string;
  /** Of another server than AWS's: `http://127.0.0.1:9000`. */
  readonly endpoint?: string | undefined;
  /** The bucket in the path, not in the host name; default: where an endpoint is given. */
  readonly pathStyle?: boolean | undefined;
  /** Agrees to pay for requests, as some buckets ask. */
  readonly requestPayer: boolean;
  /** Default: what AWS's tools would find (environment, profile, web identity, container, instance). */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  } | undefined;
}

/** What a page of a listing begins after. */
export interface PageStart {
  readonly prefix: string;
  /** Whether keys with a further `/` are left out. */
  readonly flat: boolean;
  /** Only keys after this one. */
  readonly startAfter: string | undefined;
  /** From the page before. */
  readonly token: string | undefined;
}

/** Which bytes are wanted of which version of an object. */
export interface ObjectPart {
  readonly key: string;
  /** The first byte; 0: all of it. */
  readonly from: number;
  /** As the service writes it; undefined: whichever version there is. */
  readonly etag: string | undefined;
}

/** A bucket. What the SDK throws is thrown on as it is. */
export interface S3Client extends Disposable {
  page(start: PageStart, signal: AbortSignal): Promise<ListObjectsV2CommandOutput>;
  object(part: ObjectPart, signal: AbortSignal): Promise<GetObjectCommandOutput>;
}

/** Loads the SDK. Nothing is sent yet. */
export async function s3Client(options: S3ClientOptions): Promise<S3Client> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({
    region: options.region,
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    forcePathStyle: options.pathStyle ?? options.endpoint !== undefined,
    ...(options.credentials && { credentials: options.credentials }),
    maxAttempts: 1, // retries are ours
    responseChecksumValidation: "WHEN_REQUIRED", // and so is this
  });
  const common = { Bucket: options.bucket, ...(options.requestPayer && { RequestPayer: "requester" as const }) };
  return {
    page({ prefix, flat, startAfter, token }, signal) {
      const command = new sdk.ListObjectsV2Command({
        ...common,
        Prefix: prefix,
        ...(flat && { Delimiter: "/" }),
        StartAfter: startAfter,
        ContinuationToken: token,
      });
      return client.send(command, { abortSignal: signal });
    },
    object({ key, from, etag }, signal) {
      const command = new sdk.GetObjectCommand({
        ...common,
        Key: key,
        ...(from > 0 && { Range: `bytes=${from}-` }),
        IfMatch: etag,
      });
      // Asks for checksums; the SDK's own parameter would have it verify them as well.
      command.middlewareStack.add((next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers["x-amz-checksum-mode"] = "ENABLED";
        return next(args);
      }, { step: "build" });
      return client.send(command, { abortSignal: signal });
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

/** Ends what gives no sign of life. */
export interface Watchdog extends Disposable {
  /** Aborts when time is up, or with the signal that was given. */
  readonly signal: AbortSignal;
  /** Whether time was up. */
  readonly barked: boolean;
  /** Time begins anew. */
  alive(): void;
}

/** Waits `ms` for a sign of life, and for the next one. */
export function watchdog(ms: number, signal: AbortSignal): Watchdog {
  const controller = new AbortController();
  const bark = () => controller.abort(new DOMException(`Nothing came for ${ms / 1000} s`, "TimeoutError"));
  let timer = setTimeout(bark, ms);
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    get barked() {
      return controller.signal.aborted;
    },
    alive() {
      clearTimeout(timer);
      timer = setTimeout(bark, ms);
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
