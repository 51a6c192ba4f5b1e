/**
 * Metrics of this process, under the names that programs in JavaScript commonly have for them.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import type { Family } from "./text.ts";

/** The metrics of this process, now; asking takes a turn of the event loop. */
export async function processMetrics(): Promise<Family[]> {
  const lag = await eventLoopLag();
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return [
    counter("process_cpu_user_seconds_total", "Processor time in user mode", user / 1e6),
    counter("process_cpu_system_seconds_total", "Processor time in system mode", system / 1e6),
    counter("process_cpu_seconds_total", "Processor time", (user + system) / 1e6),
    gauge("process_start_time_seconds", "When the process began, since 1970", performance.timeOrigin / 1000),
    gauge("process_resident_memory_bytes", "Memory that is resident", rss),
    gauge("nodejs_heap_size_total_bytes", "The heap of JavaScript", heapTotal),
    gauge("nodejs_heap_size_used_bytes", "What of it is used", heapUsed),
    gauge("nodejs_external_memory_bytes", "Memory outside the heap that objects hold", external),
    gauge("nodejs_eventloop_lag_seconds", "How long a turn of the event loop took when this was asked for", lag),
  ];
}

function eventLoopLag(): Promise<number> {
  const from = performance.now();
  return new Promise((resolve) => setImmediate(() => resolve((performance.now() - from) / 1000)));
}

function counter(name: string, help: string, value: number): Family {
  return { name, type: "counter", help, values: [{ value }] };
}

function gauge(name: string, help: string, value: number): Family {
  return { name, type: "gauge", help, values: [{ value }] };
}
