/**
 * Encryption in front of a server of tests.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createServer } from "node:tls";
import type { Certificate } from "./certificate.ts";

/** A listener that decrypts; it ends with the block. */
export interface TlsProxy extends AsyncDisposable {
  readonly port: number;
}

/**
 * Passes on to a port of 127.0.0.1 what comes through TLS.
 *
 * @param port Default: none; who trusts the certificate is let in, and the connection ends.
 */
export async function tlsProxy(certificate: Certificate, port?: number): Promise<TlsProxy> {
  const sockets = new Set<Socket>();
  const server = createServer(certificate, (client) => {
    if (port === undefined) return void client.destroy();
    const behind = connect(port, "127.0.0.1");
    sockets.add(behind);
    client.pipe(behind).pipe(client);
    client.on("error", () => behind.destroy());
    behind.on("error", () => client.destroy());
  });
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("tlsClientError", () => {}); // who does not trust it goes away
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
