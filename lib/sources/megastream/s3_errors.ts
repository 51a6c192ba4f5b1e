/**
 * What a failed request to S3 means.
 *
 * @module
 */
import { CERTIFICATE_HINT, isCertificateFault } from "../../net/certificate.ts";
import { isDenied } from "../../net/permission.ts";
import { retryAfterMs } from "../../net/retry_after.ts";
import { ConfigError, messageOf, TransientError } from "../../pipeline/errors.ts";

/** What the SDK throws: the service's answer, what the network did, or why it could not even ask. */
interface SdkError {
  /** The service's code: `NoSuchKey`. */
  readonly name: string;
  readonly message: string;
  /** Only of requests that were sent. */
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  /** Of a bucket in another region: where it is. */
  readonly Region?: string;
}

/** Statuses below 500 after which the same request may succeed. */
const TRANSIENT_STATUSES: readonly number[] = [408, 409, 425, 429];
/** Codes that stand for such a status, whatever status they come with. */
const TRANSIENT_CODES: readonly string[] = ["RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"];

/** The service's code for what went wrong, such as `NoSuchKey`; otherwise the kind of error. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/**
 * The error to throw for one of the SDK's, with the service's code and words.
 *
 * @param action As in "Cannot {action}: ...".
 */
export function s3Error(action: string, error: unknown): ConfigError | TransientError {
  const { name, $metadata, $response, Region } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  const text = `Cannot ${action}: ${wordsOf(error as SdkError, status)}`;
  if (isDenied(text)) return new ConfigError(text, { cause: error, hint: "Run with --allow-net" });
  // What was never sent lacks credentials, or names no host.
  if ($metadata === undefined) {
    return new ConfigError(text, {
      cause: error,
      ...(name === "CredentialsProviderError" && {
        hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
      }),
    });
  }
  if (status === undefined && isCertificateFault(error)) {
    return new ConfigError(text, { cause: error, hint: CERTIFICATE_HINT });
  }
  const mayWork = status === undefined || status < 300 || status >= 500 || TRANSIENT_STATUSES.includes(status) ||
    TRANSIENT_CODES.includes(name);
  const headers = $response?.headers;
  if (mayWork) {
    return new TransientError(text, { cause: error, retryAfterMs: retryAfterMs(headers?.["retry-after"]) });
  }
  const region = Region ?? headers?.["x-amz-bucket-region"];
  const elsewhere = region !== undefined && (status === 301 || status === 400);
  return new ConfigError(text, {
    cause: error,
    ...(elsewhere && { hint: `The bucket is in ${region}: set --aws-region ${region}` }),
  });
}

/** `NoSuchBucket: The specified bucket does not exist`; an answer without words is told by its status. */
function wordsOf(error: SdkError, status: number | undefined): string {
  if (error.name === "Unknown") return `status ${status}`;
  const message = messageOf(error).replace(/\.$/, "");
  return status !== undefined && status >= 300 ? `${error.name}: ${message}` : message;
}
