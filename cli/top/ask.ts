/**
 * Asking a running instance how it is.
 *
 * @module
 */
import { get } from "node:http";
import { authorityOf, type ListenAddress, parseListenAddress } from "../../lib/ops/address.ts";
import { ConfigError, messageOf, TransientError } from "../../lib/pipeline/errors.ts";
import type { Seen } from "./picture.ts";

/** Where an instance listens, and how to be let in. */
export interface Instance {
  readonly address: ListenAddress;
  readonly token: string | undefined;
}

/** The whole of an answer, in milliseconds and bytes. */
const TIMEOUT_MS = 5000, MOST_BYTES = 8 * 1024 * 1024;

/** The address that a command line names. @throws {ConfigError} If it is none. */
export function parseAddress(text: string): ListenAddress {
  let address: ListenAddress;
  try {
    address = parseListenAddress(text);
  } catch (error) {
    throw new ConfigError(`Cannot use address "${text}": ${messageOf(error)}`);
  }
  if (address.port === 0) throw new ConfigError(`Cannot use address "${text}": no instance is at port 0`);
  return address;
}

/**
 * What the instance says at this moment.
 *
 * @throws {TransientError} If it does not answer, or something else does.
 * @throws {ConfigError} If it wants another token.
 */
export async function look(instance: Instance): Promise<Seen> {
  const [stats, status] = await Promise.all([ask(instance, "/stats"), ask(instance, "/status")]);
  if (!isObject(stats) || !isObject(stats.details) || !isObject(status) || !Array.isArray(status.sources)) {
    throw new TransientError(`Cannot read from ${authorityOf(instance.address)}: what answers there is not bskyingest`);
  }
  return { stats, status } as unknown as Seen;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** `node:http` takes no proxy from the environment, as `fetch` would: the token is for this address only. */
async function ask(instance: Instance, path: string): Promise<unknown> {
  const { address: { hostname, port }, token } = instance;
  const where = authorityOf(instance.address);
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const request = get({ hostname, port, path, headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
    request.on("error", reject);
    request.on("response", async (response) => {
      try {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) {
          body += chunk;
          if (body.length > MOST_BYTES) throw new TransientError("The answer is too long");
        }
        resolve({ status: response.statusCode ?? 0, body });
      } catch (error) {
        reject(error);
      }
    });
  }).catch((error) => {
    const reason = error?.name === "TimeoutError" ? `no answer within ${TIMEOUT_MS / 1000} s` : messageOf(error);
    throw new TransientError(`Cannot reach ${where}: ${reason}`, { cause: error });
  });
  return read(answer, where, token);
}

function read({ status, body }: { status: number; body: string }, where: string, token: string | undefined): unknown {
  if (status === 401) {
    throw new ConfigError(
      `Cannot read from ${where}: ${token === undefined ? "it wants a token" : "it wants another token"}`,
      {
        hint: "Give the token of that instance: --listen-token-file FILE",
      },
    );
  }
  try {
    const value: unknown = JSON.parse(body);
    if (status === 200) return value;
    const said = isObject(value) && typeof value.message === "string" ? `, ${value.message}` : "";
    throw new TransientError(`Cannot read from ${where}: status ${status}${said}`);
  } catch (error) {
    if (error instanceof TransientError) throw error;
    throw new TransientError(`Cannot read from ${where}: what answers there is not bskyingest (status ${status})`);
  }
}
