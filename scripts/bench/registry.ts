/**
 * All benchmarks: one file and one entry here each.
 *
 * @module
 */
import type { Bench } from "./bench.ts";
import { bench as elasticsearch } from "./elasticsearch.ts";
import { bench as filters } from "./filters.ts";
import { bench as firehose } from "./firehose.ts";
import { bench as frames } from "./frames.ts";
import { bench as help } from "./help.ts";
import { bench as jetstream, filtersBench, zstdBench } from "./jetstream.ts";
import { bench as megastream } from "./megastream.ts";
import { bench as queue, growthBench as queueGrowth } from "./queue.ts";
import { bench as slowSink } from "./slow_sink.ts";
import { bench as sqliteGrowth } from "./sqlite_growth.ts";
import { bench as validate } from "./validate.ts";
import { bench as zstd } from "./zstd.ts";

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [
  jetstream,
  zstdBench,
  filtersBench,
  elasticsearch,
  megastream,
  slowSink,
  sqliteGrowth,
  queue,
  queueGrowth,
  filters,
  validate,
  zstd,
  frames,
  firehose,
  help,
];
