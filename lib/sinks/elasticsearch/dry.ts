/**
 * What the sink `elasticsearch` would do, without a server.
 *
 * @module
 */
import type { AnyEvent } from "../../atproto/event.ts";
import { PoisonError } from "../../pipeline/errors.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import type { PostCounters } from "../../transforms/posts.ts";
import type { PlanOptions } from "./plan.ts";
import { type ElasticsearchFigures, postFigures } from "./sink.ts";

/** What would have been written. */
export interface DryFigures extends Omit<ElasticsearchFigures, "superseded"> {
  /** Documents by index. */
  readonly documents: Readonly<Record<string, number>>;
}

/** A sink that makes documents and forgets them. */
export interface DrySink extends Sink<AnyEvent> {
  /** Live figures. */
  figures(): DryFigures;
}

/** Makes the sink. It refuses what cannot become documents. */
export function makeDrySink(
  { toWrites, indexOf, counters }: Omit<PlanOptions, "purgeOf"> & { readonly counters: PostCounters },
): DrySink {
  const documents = new Map<string, number>();
  return {
    name: "elasticsearch",
    figures: () => ({ documents: Object.fromEntries(documents), ...postFigures(counters) }),
    write({ items }) {
      const rejected: Rejection[] = [];
      items.forEach((event, index) => {
        try {
          for (const { action, kind } of toWrites(event)) {
            if (action === "index") documents.set(indexOf(kind), (documents.get(indexOf(kind)) ?? 0) + 1);
          }
        } catch (error) {
          if (!(error instanceof PoisonError)) throw error;
          rejected.push({ index, error });
        }
      });
      return Promise.resolve({ rejected });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
