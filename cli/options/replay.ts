/**
 * The options of `replay`.
 *
 * @module
 */
import { ConfigError } from "../../lib/pipeline/errors.ts";
import { choice, integer, list, parsed, path, toggle } from "../kit/option.ts";
import { firehoseOptions } from "./firehose.ts";
import { jetstreamOptions } from "./jetstream.ts";

/** `max` is 0, as for the source. */
function speedOf(text: string): number {
  const speed = text.trim() === "max" ? 0 : Number(text);
  if (!(speed > 0 && speed < Infinity) && text.trim() !== "max") {
    throw new ConfigError("it must be max or a number above 0");
  }
  return speed;
}

/** Declarations of the options. */
export const replayOptions = {
  wantedCollections: list("wanted-collections", {
    help: "Collections (app.bsky.feed.post, app.bsky.graph.*), or all",
    group: "Filters",
    short: "c",
    common: true,
  }, ["all"]),
  wantedDids: jetstreamOptions.wantedDids,
  kinds: firehoseOptions.kinds,
  verify: choice(
    "verify",
    { help: "Of relays' frames: check the framing alone, or that blocks have the hashes they are named by" },
    ["none", "blocks"],
    "blocks",
  ),
  zstdDictionary: path("zstd-dictionary", {
    help: "Dictionary of messages that are compressed one by one",
    defaultText: "from the cache folder",
  }),
  speed: parsed(
    "speed",
    { help: "1 = as it came, 10 = ten times as fast, max = flat out", metavar: "max|N", common: true },
    speedOf,
    "max",
  ),
  loop: integer("loop", { help: "Read everything so many times (ids repeat)", min: 1 }, 1),
  restart: toggle("restart", { help: "Begin anew, also where a run was interrupted", common: true }),
} as const;
