/**
 * What a benchmark is made of. The parent process (`main.ts`) runs each case in a child of its own (`child.ts`).
 *
 * @module
 */

/** The command line's options. */
export interface BenchOptions {
  /** Items of one sample; default: the benchmark's own. */
  readonly events?: number | undefined;
  /** Samples of each case, after one that does not count; default: the benchmark's own. */
  readonly rounds?: number | undefined;
  /** `sqlite_growth`: the sizes of the database to measure at. */
  readonly rows?: readonly number[] | undefined;
}

/** What the load server offers: see `load_server.ts`. */
export interface Load {
  /** `ws://host:port/subscribe` */
  readonly url: string;
  readonly events: number;
  readonly bytes: number;
  /** How many of the events are commits of {@link WANTED}. */
  readonly wanted: number;
  /** The position of the last of those. */
  readonly lastWanted: number;
}

/** The collection of the filtered cases: 12 % of the events. */
export const WANTED = "app.bsky.feed.post";

/** What a case is given. */
export interface Setting {
  readonly events: number;
  /** For files; the same one for all cases of a run, removed after it. */
  readonly folder: string;
  /** Where the benchmark asked for a load server. */
  readonly load?: Load | undefined;
  /** The addresses of the benchmark's own servers. */
  readonly servers?: Readonly<Record<string, string>> | undefined;
}

/** Figures of one run of a case. */
export interface Sample {
  readonly items: number;
  /** Wall time, in milliseconds. */
  readonly ms: number;
  /** Processor time of all threads, in milliseconds; `undefined` where it was not taken. */
  readonly cpuMs?: number;
  /** In bytes; `undefined` where it was not taken. */
  readonly peakRss?: number;
}

/** A figure that is to be reached. `rate`: items a second; `ratio`: to the reference; `ms`: an item; `rss`: bytes. */
export type Goal =
  | { readonly figure: "rate" | "ratio"; readonly atLeast: number }
  | { readonly figure: "ms" | "rss"; readonly atMost: number };

/** One row of the table. */
export interface Case {
  readonly name: string;
  /** The row that `ratio` is to; default: none. */
  readonly reference?: string;
  readonly goals?: readonly Goal[];
  /** Runs in the child. */
  run(setting: Setting): Promise<readonly Sample[]>;
}

/** Servers that run as long as a benchmark. */
export interface BenchServers extends AsyncDisposable {
  /** By name; what could not be started is missing. */
  readonly urls: Readonly<Record<string, string>>;
  /** What a reader of the figures must know of them. */
  readonly notes: readonly string[];
}

/** Some cases that belong together. */
export interface Bench {
  readonly name: string;
  readonly brief: string;
  /** Items of one sample. */
  readonly events: number;
  /** Runs of each case. A case that takes many samples in one run needs one. */
  readonly rounds: number;
  /** Runs of each case before those. */
  readonly warmUps: number;
  /** How many events a load server has to offer; default: there is none. */
  readonly load?: (events: number) => number;
  /** What the cases write to; default: nothing that has to be started. */
  readonly servers?: () => Promise<BenchServers>;
  /** After this many milliseconds, a case counts as broken. */
  readonly timeoutMs: number;
  cases(options: BenchOptions): readonly Case[];
}
