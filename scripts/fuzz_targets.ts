/**
 * What `deno task fuzz` feeds with hostile input: one entry for each reader of bytes or text that others can send us.
 *
 * @module
 */
import { parseConfig } from "../cli/kit/config_file.ts";

/** A reader of input. */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs, from which the bad ones are made; `run` accepts each. */
  readonly samples: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Reads one input. It may refuse it by a PoisonError or a ConfigError; any other error is a finding. */
  readonly run: (input: Uint8Array) => unknown;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const CONFIG_FILES = [
  'log-level = "debug"\nbatch-size = 500\nquiet = false\ncollections = ["app.bsky.feed.post", "app.bsky.feed.like"]\n',
  '# comment\n[jetstream]\ninstance = ["wss://one.example/subscribe"]\nidle-timeout = "30s"\nshare = 0.25\n\n[replay]\nspeed = 10\n',
  "[jetstream]\nsince = 2026-01-01T00:00:00Z\ntext = '''\nline\n'''\nnested = { a = { b = [1, 2, [3]] } }\n[[jetstream.many]]\nx = 1\n",
];

/** Every target, in the order of a run without names. */
export const TARGETS: readonly FuzzTarget[] = [
  {
    name: "toml",
    samples: () => CONFIG_FILES.map((text) => encoder.encode(text)),
    run: (input) => parseConfig("config.toml", decoder.decode(input)),
  },
];
