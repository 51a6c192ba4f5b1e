/**
 * The format of rsky-ingester, byte for byte but for the time. Its consumer fails where a key is missing, stands elsewhere or has a
 * value that it does not know.
 *
 * @module
 */
import type { AnyEvent, AtEvent, LabelEvent, RepoEvent } from "../../atproto/event.ts";
import { ConfigError } from "../../pipeline/errors.ts";
import type { StreamEntry } from "../stream_events.ts";
import { hostUrl } from "./bsky.ts";
import { jsonText } from "./json_text.ts";
import { didOfUri } from "./partition.ts";

/** The statuses of an account that the consumer knows. */
const STATUSES = new Set(["takendown", "suspended", "deleted", "deactivated", "desynchronized", "throttled"]);

/** Whether the format has room for an event: it has none for `sync`, and never had identities without a handle. */
export function isRskyEvent(event: AnyEvent): boolean {
  return event.kind !== "sync" && (event.kind !== "identity" || event.identity.handle !== undefined);
}

/** Whether the status of an account becomes `null`: the consumer would reject the entry for ever. */
export function isStatusDropped(event: AnyEvent): boolean {
  const status = event.kind === "account"
    ? event.account.status
    : event.kind === "repo"
    ? event.repo.status
    : undefined;
  return status !== undefined && statusOf(status) === null;
}

/**
 * The entry of one event that is no label.
 *
 * @param now The clock at ingestion, in milliseconds since 1970.
 * @throws {ConfigError} For a commit without the CID of its signed commit, and for `sync`.
 */
export function rskyEntry(event: Exclude<AnyEvent, LabelEvent>, index: number, now: number): StreamEntry {
  const { did } = event;
  if (event.kind === "repo") return { field: "repo", value: repoJson(event), did, index };
  return { field: "event", value: JSON.stringify(toObject(event, now)).slice(0, -1) + tailOf(event), did, index };
}

/** The entry of one frame of labels. */
export function rskyLabels(seq: number, frame: readonly LabelEvent["label"][], index: number): StreamEntry {
  const labels = frame.map(({ src, uri, cid = null, val, neg = null, cts }) => {
    return { src, uri, cid, val, neg, cts: spacedTime(cts) };
  });
  return { field: "labels", value: JSON.stringify({ seq, labels }), did: didOfUri(frame[0]?.uri ?? ""), index };
}

/** Everything but the record. */
function toObject(event: AtEvent, now: number): Record<string, unknown> {
  const { did, seq = event.time_us } = event;
  const time = `${new Date(now).toISOString().slice(0, -1)}+00:00`;
  switch (event.kind) {
    case "commit": {
      const { operation, rev, collection, rkey, cid } = event.commit;
      const commit = event.relay?.commit;
      if (commit === undefined) {
        throw new ConfigError(
          `Cannot write format rsky from ${event.origin.source}: its events do not say which commit they are of`,
          { hint: "Use --format bsky" },
        );
      }
      return { type: operation, seq, time, did, commit, rev, collection, rkey, ...(operation !== "delete" && { cid }) };
    }
    case "account": {
      const { active, status } = event.account;
      return { type: "account", seq, time, did, active, status: statusOf(status) };
    }
    case "identity":
      return { type: "identity", seq, time, did, handle: event.identity.handle ?? null };
    case "sync":
      throw new ConfigError("Cannot write sync events in format rsky: its consumers fail on them");
  }
}

/** What follows the other members: the record, if there is one, and the closing brace. */
function tailOf(event: AtEvent): string {
  const record = event.kind === "commit" && event.commit.operation !== "delete" ? event.commit.record : undefined;
  return record === undefined ? "}" : `,"record":${jsonText(record, "rsky")}}`;
}

function repoJson({ repo, origin }: RepoEvent): string {
  const { did, rev = "", status, active = true } = repo;
  return JSON.stringify({ did, host: hostUrl(origin.host), rev, status: statusOf(status), active });
}

function statusOf(status: string | undefined): string | null {
  return status !== undefined && STATUSES.has(status) ? status[0]!.toUpperCase() + status.slice(1) : null;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/;

/** `2024-10-23 17:51:19.128 UTC`; a text that is no time stays as it is. */
function spacedTime(text: string): string {
  const match = RFC3339.exec(text);
  const ms = match ? Date.parse(`${match[1]}T${match[2]}${match[4]!.toUpperCase()}`) : NaN;
  if (Number.isNaN(ms)) return text;
  const [day, time] = new Date(ms).toISOString().slice(0, 19).split("T");
  return `${day} ${time}${fractionOf(match![3])} UTC`;
}

/** Three, six or nine digits, or nothing. */
function fractionOf(digits = ""): string {
  const nine = digits.slice(0, 9).padEnd(9, "0");
  return nine === "000000000" ? "" : `.${nine.replace(/(?:000){1,2}$/, "")}`;
}
