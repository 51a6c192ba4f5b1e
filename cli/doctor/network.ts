/**
 * Whether a server's name is known and its certificate is valid.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../../lib/pipeline/errors.ts";
import { type Check, fail, type Finding, ok, skip } from "./check.ts";

/** The checks of what every server needs; what follows from the first one should say that it `needs` it. */
export function networkChecks(host: string, url: URL): Check[] {
  return [
    { name: `dns ${host}`, run: () => checkName(url) },
    { name: `tls ${host}`, needs: `dns ${host}`, run: () => checkTls(url) },
  ];
}

async function checkName({ hostname }: URL): Promise<Finding> {
  const name = plainHost(hostname);
  if (isIP(name) !== 0) return ok("an address, no name");
  try {
    return ok((await lookup(name, { all: true })).map(({ address }) => address).join(", "));
  } catch (error) {
    return fail(messageOf(error), "Check the host's name, and the resolver of this machine");
  }
}

async function checkTls({ protocol, hostname, port }: URL): Promise<Finding> {
  if (protocol === "ws:" || protocol === "http:") return skip("not encrypted");
  using conn = await Deno.connectTls({ hostname: plainHost(hostname), port: Number(port || 443) });
  await conn.handshake();
  return ok("the certificate is valid");
}

/** An IPv6 address without its brackets. */
function plainHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
