/**
 * The format of Bluesky's TypeScript ingester. Keys without a value are left out.
 *
 * @module
 */
import type { AnyEvent, AtEvent } from "../../atproto/event.ts";
import { microsToText } from "../../atproto/time.ts";
import type { StreamEntry } from "../stream_events.ts";
import { plainJsonText } from "./json_text.ts";
import { subjectOf } from "./partition.ts";

/** The entry of one event. */
export function bskyEntry(event: AnyEvent, index: number, withHost: boolean): StreamEntry {
  const field = event.kind === "repo" ? "repo" : "event";
  return { field, value: plainJsonText(toObject(event, withHost)), did: subjectOf(event), index };
}

/** Members that are undefined are left out of the text. */
function toObject(event: AnyEvent, withHost: boolean): Record<string, unknown> {
  const host = withHost ? event.origin.host : undefined;
  switch (event.kind) {
    case "label":
      return { type: "label", label: event.label, host };
    case "repo": {
      const { did, rev = "", status, active } = event.repo;
      return { did, host: hostUrl(event.origin.host), rev, status, active };
    }
    case "commit": {
      const { operation, record, cid, rev, collection, rkey } = event.commit;
      const place = { commit: event.relay?.commit, rev, collection, rkey };
      return { type: operation, record, cid, ...head(event), ...place, host };
    }
    case "account":
      return { type: "account", ...head(event), active: event.account.active, status: event.account.status, host };
    case "identity":
      return { type: "identity", ...head(event), handle: event.identity.handle, host };
    case "sync":
      return { type: "sync", ...head(event), rev: event.sync.rev, host };
  }
}

/** Sources that are no relays have other numbers, or none: then the time stands in, which grows as they do. */
function head(event: AtEvent): { seq: number; time: string; did: string } {
  return {
    seq: event.seq ?? event.time_us,
    time: event.relay?.time ?? microsToText(event.time_us),
    did: event.did,
  };
}

/** `https://` before the name of a host. */
export function hostUrl(host: string): string {
  return host.includes("://") ? host : `https://${host}`;
}
