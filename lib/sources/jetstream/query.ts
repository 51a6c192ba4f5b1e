/**
 * The query of a `--url`, whose parameters count as options.
 *
 * @module
 */

/** What a query asks for; undefined: nothing is said. */
export interface Query {
  readonly collections: string[] | undefined;
  readonly dids: string[] | undefined;
  readonly kinds: string[] | undefined;
  readonly maxMessageBytes: number | undefined;
  readonly cursor: number | undefined;
  readonly compress: true | undefined;
  /** The zstd dictionary to compress with. */
  readonly dictionaryId: number | undefined;
}

/** Reads the parameters of either wire from a URL. What cannot be read is added to `faults`. */
export function readQuery(url: string, faults: string[]): Query {
  const params = new URL(url).searchParams;
  const all = (...names: string[]) => {
    const values = unique(names.flatMap((name) => params.getAll(name)));
    return values.length > 0 ? values : undefined;
  };
  const number = (name: string) => {
    const text = params.get(name);
    if (text === null || text === "") return undefined;
    if (/^\d{1,16}$/.test(text)) return Number(text);
    faults.push(`Cannot use ${name}=${text} of the URL: it must be a positive integer`);
    return undefined;
  };
  const dictionaryId = number("zstdDictionary");
  const compress = params.get("compress") === "true" || dictionaryId !== undefined;
  return {
    collections: all("wantedCollections", "collections"),
    dids: all("wantedDids", "dids"),
    kinds: all("kinds"),
    maxMessageBytes: number("maxMessageSizeBytes"),
    cursor: number("cursor"),
    compress: compress || undefined,
    dictionaryId,
  };
}

/** Trimmed, without empty ones and repeats. */
export function unique(list: readonly string[]): string[] {
  return [...new Set(list.map((each) => each.trim()).filter((each) => each !== ""))];
}
