/**
 * Events whose records have a member called `constructor`: the library that evaluates CEL takes an object with one for an
 * instance of an unknown class, and fails. As a `Map`, such an object is to it what it is to everyone else.
 *
 * @module
 */

type Json = Readonly<Record<string, unknown>>;

/** Whether an object in there has a member called `constructor`. Does not recurse: records may be nested without end. */
export function hasConstructorMember(value: unknown): boolean {
  const open = [value];
  while (open.length > 0) {
    const each = open.pop();
    if (typeof each !== "object" || each === null) continue;
    if (!Array.isArray(each) && Object.hasOwn(each, "constructor")) return true;
    for (const member of Object.values(each)) open.push(member);
  }
  return false;
}

/** The same value with a `Map` for each object. */
export function toMaps(value: unknown): unknown {
  const open: (() => void)[] = [];
  const copy = (from: unknown): unknown => {
    if (typeof from !== "object" || from === null) return from;
    if (Array.isArray(from)) {
      const to: unknown[] = [];
      open.push(() => from.forEach((each) => to.push(copy(each))));
      return to;
    }
    const to = new Map<string, unknown>();
    open.push(() => Object.keys(from).forEach((key) => to.set(key, copy((from as Json)[key]))));
    return to;
  };
  const result = copy(value);
  while (open.length > 0) open.pop()!();
  return result;
}
