/**
 * Events as expressions see them.
 *
 * @module
 */
import type { AnyEvent, AtEvent } from "../../atproto/event.ts";

/**
 * An object equal to what `toJson` prints, without parsing or copying what the event holds. Members that v1 text has beside
 * those of Jetstream's format, outside of `commit`, `identity` and `account`, are not in it: no source keeps them.
 */
export function toView(event: AnyEvent): Readonly<Record<string, unknown>> {
  switch (event.kind) {
    case "commit": {
      const { did, time_us, seq, kind, commit } = event;
      // Plain literals, as this is where nearly every event passes.
      return seq === undefined ? { did, time_us, kind, commit } : { did, time_us, cursor: seq, kind, commit };
    }
    case "identity":
      return { ...head(event), identity: event.identity };
    case "account":
      return { ...head(event), account: event.account };
    case "sync":
      return { ...head(event), sync: event.sync };
    case "label": {
      const { time_us, seq, kind, label } = event;
      return { time_us, ...(seq !== undefined && { seq }), kind, label };
    }
    case "repo": {
      const { did, time_us, kind, repo } = event;
      return { did, time_us, kind, repo };
    }
  }
}

function head({ did, time_us, seq, kind }: AtEvent) {
  return { did, time_us, ...(seq !== undefined && { cursor: seq }), kind };
}
