/**
 * Counts by names that come from outside: memory and metrics must not grow with them.
 *
 * @module
 */

/** Names that a metric's label takes, then `other`. */
export const MOST_LABELS = 200;

/** Adds to the count of a name, or of `other` where there are `most` names already. */
export function addTo(counts: Map<string, number>, name: string, count: number, most: number): void {
  const known = counts.get(name);
  if (known !== undefined || counts.size < most) counts.set(name, (known ?? 0) + count);
  else counts.set("other", (counts.get("other") ?? 0) + count);
}

/** The counts of the first `most` names, and of all others together. */
export function bounded(counts: Iterable<readonly [string, number]>, most: number = MOST_LABELS): Map<string, number> {
  const few = new Map<string, number>();
  for (const [name, count] of counts) addTo(few, name, count, most);
  return few;
}
