/**
 * How accounts are named by handle, and who is asked for their DIDs.
 *
 * @module
 */
import { list, toggle, url } from "../kit/option.ts";

const group = "Filters";

/** Declarations of the options. */
export const handleOptions = {
  handles: list("bluesky-user-handles", {
    help: "Accounts, by handle; all are resolved before the first connection",
    group,
    short: "u",
    metavar: "HANDLE",
    common: true,
  }),
  resolverUrl: url(
    "resolver-url",
    { help: "Server that is asked for a handle's DID first", group, protocols: ["https:", "http:"] },
    "https://public.api.bsky.app",
  ),
  plcUrl: url(
    "plc-url",
    { help: "Directory of did:plc documents", group, protocols: ["https:", "http:"] },
    "https://plc.directory",
  ),
  allowPrivate: toggle("allow-private", {
    help: "Ask hosts with private addresses too, for handles and did:web",
    group,
  }),
} as const;
