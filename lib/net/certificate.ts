/**
 * Servers whose certificate is not accepted.
 *
 * @module
 */
import { messageOf } from "../pipeline/errors.ts";

/** Whether a connection failed for the server's certificate: another attempt changes nothing, and nobody must be let in by mistake. */
export function isCertificateFault(error: unknown): boolean {
  const { code = "" } = error as { readonly code?: unknown };
  return /CERT|SIGNATURE/.test(String(code)) || /certificate/i.test(messageOf(error));
}

/**
 * What to do about it where no option names a certificate. Every client of Deno's takes this variable (measured with 2.9.6); `DENO_CERT`
 * holds for `fetch` and `WebSocket` only, not for `node:tls` and `node:https`.
 */
export const CERTIFICATE_HINT =
  "Where the certificate is your own: name the file of its authority in NODE_EXTRA_CA_CERTS";
