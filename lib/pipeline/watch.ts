/**
 * The contract of whoever looks on while a pipeline runs.
 *
 * @module
 */
import type { Gap } from "./batch.ts";

/** Who is told what happens in a run. Nothing waits for it, and it must not throw. */
export interface PipelineWatch<T> {
  /** Items came through the stages. */
  onPassed?(items: readonly T[]): void;
  /** Items are safe in the sink; those that it knew already are among them. */
  onStored?(items: readonly T[]): void;
  /** Gaps that nobody asked for were met, under the key of the position that is about to pass them. */
  onGaps?(gaps: readonly Gap[], key: string): void;
  /** A write is about to be repeated: all of it, or what was not refused for good. */
  onRetry?(part: "whole" | "rest"): void;
  /** The position could not be saved; it will be tried again. */
  onSaveFailed?(): void;
  /** The run has failed: what is on its way is finished, then it rejects. */
  onFailure?(error: unknown): void;
}
