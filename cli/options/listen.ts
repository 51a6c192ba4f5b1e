/**
 * The options of the operations server.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { parseListenAddress } from "../../lib/ops/address.ts";
import { list, parsed, secret, toggle } from "../kit/option.ts";

const group = "Operations server";

/** A shorter token could be guessed. */
const LEAST_TOKEN = 16;

const token = secret("listen-token", { help: "What requests must carry; 16 characters or more", group });

/** Declarations of the options. */
export const listenOptions = {
  listen: parsed("listen", {
    help: "Serve figures, dashboard and metrics there; no host = 127.0.0.1, port 0 = any free one",
    group,
    metavar: "ADDR",
    env: [{ name: "METRICS_PORT", read: (text) => `:${text.trim()}` }],
    common: true,
  }, parseListenAddress),
  listenToken: {
    ...token,
    decode(text: string) {
      if (text.length >= LEAST_TOKEN) return text;
      throw new ConfigError(`it must have ${LEAST_TOKEN} characters or more`);
    },
  },
  listenHost: list("listen-host", { help: "Also answer to this host name", group, metavar: "NAME" }),
  listenInsecure: toggle("listen-insecure", { help: "Allow an address that others reach without a token", group }),
  legacyMetrics: toggle("legacy-metrics", { help: "Metrics also under the names of rsky-ingester", group }, true),
} as const;
