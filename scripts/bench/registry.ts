/**
 * All benchmarks: one file and one entry here each.
 *
 * @module
 */
import type { Bench } from "./bench.ts";
import { bench as help } from "./help.ts";
import { bench as jetstream } from "./jetstream.ts";
import { bench as slowSink } from "./slow_sink.ts";
import { bench as sqliteGrowth } from "./sqlite_growth.ts";

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [jetstream, slowSink, sqliteGrowth, help];
