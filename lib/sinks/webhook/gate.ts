/**
 * Whether requests may be made, and how many side by side: what the endpoint's state and the breaker come to together.
 *
 * @module
 */
import type { Breaker } from "./breaker.ts";
import type { Endpoint } from "./endpoint.ts";

/** See the module. Times are in milliseconds since 1970. */
export interface Gate {
  /** How many requests may be under way. */
  allowed(now: number): number;
  /** Whether the next request is a probe: it should be one that has not failed yet. */
  isCareful(now: number): boolean;
  /** When it is worth looking again; undefined: somebody must mend something first. */
  opensAt(now: number): number | undefined;
  /** To be kept: JSON. */
  save(): string;
}

/** Puts the two together. */
export function createGate(endpoint: Endpoint, breaker: Breaker): Gate {
  return {
    allowed(now) {
      if (endpoint.disabled === undefined) return breaker.allowed(now);
      return endpoint.nextTry !== undefined && endpoint.nextTry <= now ? 1 : 0;
    },
    isCareful: (now) => endpoint.disabled !== undefined || breaker.stage(now) !== "closed",
    opensAt: (now) => endpoint.disabled === undefined ? Math.max(now, breaker.state.until) : endpoint.nextTry,
    save: () => endpoint.save(breaker.state),
  };
}
