/**
 * Whether events are sent at all: a receiver that is gone, refuses us, or takes nothing is left alone until somebody mends it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { type BreakerState, CLOSED } from "./breaker.ts";
import { shownUrl } from "./address.ts";
import type { WebhookTarget } from "./options.ts";

const log = getLogger(["bskyingest", "webhook"]);

/** Why the endpoint is disabled: 410; 401 or 403; too many rejections in a row. */
export type DisabledReason = "gone" | "refused" | "rejections";

/** As it is kept in the queue file. */
interface SavedEndpoint {
  /** Without query. */
  readonly endpoint: string;
  /** Of the whole URL, and of the token: only whether they are the same can be told. */
  readonly url_digest: string;
  readonly token_digest: string;
  readonly state: "active" | "disabled";
  readonly reason?: DisabledReason;
  /** RFC 3339. */
  readonly since?: string;
  readonly breaker: BreakerState;
}

/** See the module. Times are in milliseconds since 1970. */
export interface Endpoint {
  /** The URL without query. */
  readonly url: string;
  /** undefined: it is active. */
  readonly disabled: { readonly reason: DisabledReason; readonly since: number } | undefined;
  /** The breaker, as it was left. */
  readonly breaker: BreakerState;
  /** When one event may be tried although it is disabled; undefined: never, or it is not. */
  readonly nextTry: number | undefined;
  disable(reason: DisabledReason, error: string): void;
  /** It was tried, and nothing has changed. */
  tried(): void;
  enable(): void;
  /** To be kept: JSON. */
  save(breaker: BreakerState): string;
  /** Says again that it is disabled, if that is due. */
  remind(waiting: number): void;
}

/** What {@link openEndpoint} needs. */
export interface EndpointOptions {
  readonly target: WebhookTarget;
  /** As {@link Endpoint.save} gave it, or `{}`. */
  readonly saved: string;
  /** Lift a *disabled*. */
  readonly enable: boolean;
  readonly now: () => number;
}

/** Between two tries of an endpoint that is disabled, in milliseconds. */
const TRY_MS = 300_000;
const REMIND_MS = 600_000;
const WORDS: Readonly<Record<DisabledReason, string>> = {
  gone: "it answered 410",
  refused: "it refused our credentials",
  rejections: "it rejected 20 events in a row",
};

/** Reads what was saved. Another URL begins anew; another token may be one that is not refused. */
export function openEndpoint({ target, saved, enable, now }: EndpointOptions): Endpoint {
  const before = JSON.parse(saved) as Partial<SavedEndpoint>;
  const digests = { url_digest: digest(target.url), token_digest: digest(target.bearerToken ?? "") };
  const url = shownUrl(target.url);
  const same = before.url_digest === digests.url_digest;
  const lifted = enable || !same ||
    (before.reason === "refused" && before.token_digest !== digests.token_digest);
  let disabled: Endpoint["disabled"] = before.state === "disabled" && !lifted
    ? { reason: before.reason!, since: Date.parse(before.since!) }
    : undefined;
  let triedAt = disabled?.since ?? 0;
  let remindedAt = -Infinity;

  return {
    url,
    get disabled() {
      return disabled;
    },
    breaker: same ? before.breaker ?? CLOSED : CLOSED,
    get nextTry() {
      return disabled === undefined || disabled.reason === "gone" ? undefined : triedAt + TRY_MS;
    },
    disable(reason, error) {
      disabled = { reason, since: now() };
      triedAt = remindedAt = now();
      log.error("Webhook {url} is disabled, {why}. Events wait in the queue. {error}", {
        url,
        why: WORDS[reason],
        error,
      });
    },
    tried: () => void (triedAt = now()),
    enable() {
      if (disabled) log.info("Webhook {url} takes events again", { url });
      disabled = undefined;
    },
    save: (breaker) =>
      JSON.stringify(
        {
          endpoint: url,
          ...digests,
          state: disabled ? "disabled" : "active",
          ...(disabled && { reason: disabled.reason, since: new Date(disabled.since).toISOString() }),
          breaker,
        } satisfies SavedEndpoint,
      ),
    remind(waiting) {
      if (disabled === undefined || now() - remindedAt < REMIND_MS) return;
      remindedAt = now();
      log.error("Webhook {url} is disabled since {since}, {why}: {waiting} events wait{hint}", {
        url,
        since: new Date(disabled.since).toISOString(),
        why: WORDS[disabled.reason],
        waiting,
        hint: disabled.reason === "gone" ? ". Start again with another URL, or with --webhook-enable" : "",
      });
    },
  };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
