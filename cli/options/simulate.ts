/**
 * The options of `simulate`.
 *
 * @module
 */
import { parseTimestamp } from "../../lib/atproto/time.ts";
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { choice, duration, integer, list, parsed, path, text } from "../kit/option.ts";

const faults = "Faults";

/** Declarations of the options. */
export const simulateOptions = {
  serve: text("serve", { help: "Address; port 0 = any free one", metavar: "ADDR", common: true }, "127.0.0.1:6008"),
  kind: choice("kind", { help: "Which server to be", common: true }, ["new", "legacy"], "new"),
  rate: integer("rate", { help: "Events a second and connection; 0 = as fast as they are read", common: true }, 0),
  rng: integer("rng", { help: "Same number, same accounts, texts and mix", max: 2 ** 32 - 1 }, 1),
  accounts: integer("accounts", {
    help: "How many accounts there are; number N has the handle userN.simulate.test",
    min: 1,
    max: 2 ** 31,
  }, 50_000),
  epoch: parsed(
    "epoch",
    { help: "now, or the time T of the first event: event i has T + i x 500 us", metavar: "now|T" },
    (value) => {
      const us = value === "now" ? "now" : parseTimestamp(value);
      if (us === undefined) throw new ConfigError("it must be now, YYYY-MM-DD, YYYY-MM-DD-HH:MM:SS or RFC 3339");
      return us;
    },
    "now",
  ),
  collections: list("collections", { help: "Collections made besides the usual mix, 2 % each" }),
  count: integer("count", { help: "Events in all, then silence; 0 = without end" }, 0),
  oldest: integer("oldest", { help: "The first sequence number that a cursor can still reach; 0 = any" }, 0),
  zstdDictionary: path("zstd-dictionary", { help: "Compress with this dictionary instead of the project's own" }),
  closeAfter: integer("close-after", { help: "End each connection after so many events", group: faults, min: 1 }),
  closeCode: integer(
    "close-code",
    { help: "With this code; 1006: cut without a close frame", group: faults, min: 1000, max: 4999 },
    1006,
  ),
  stallAfter: integer("stall-after", { help: "After so many events a connection falls silent", group: faults }),
  refuse: parsed(
    "refuse",
    {
      help: "Answer handshakes with this HTTP status, TIMES times (else always)",
      group: faults,
      metavar: "STATUS[:TIMES]",
    },
    (value) => {
      const match = /^([3-5]\d\d)(?::([1-9]\d{0,8}))?$/.exec(value);
      if (!match) throw new ConfigError("it must be an HTTP status from 300 on, such as 503 or 503:2");
      return { status: Number(match[1]), times: Number(match[2] ?? 0) };
    },
  ),
  retryAfter: duration("retry-after", { help: "Retry-After of these answers, in whole seconds", group: faults }),
  errorFrame: parsed(
    "error-frame",
    { help: "After N events this error frame, then close", group: faults, metavar: "N:NAME" },
    (value) => {
      const match = /^(\d{1,15}):([A-Za-z]+)$/.exec(value);
      if (!match) throw new ConfigError("it must be N:NAME, such as 7:ConsumerTooSlow");
      return { after: Number(match[1]), name: match[2]! };
    },
  ),
  damage: integer("damage", { help: "Every N-th message is broken, each time in another way", group: faults, min: 1 }),
} as const;
