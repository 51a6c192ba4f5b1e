/**
 * What a dry run prints: a line for each file, and the sums.
 *
 * @module
 */
import type { ListedFile } from "../../../lib/sources/megastream/files.ts";
import type { RowCounters } from "../../../lib/sources/megastream/row_counters.ts";
import { rowMembers, rowsText } from "./report.ts";

/** Documents by index. */
type Documents = Readonly<Record<string, number>>;

/** Prints what is in files, and what would be written. */
export interface DryRunPrinter {
  file(file: Pick<ListedFile, "name">, rows: RowCounters): Promise<void>;
  /** @param rows Of all files. */
  sums(rows: RowCounters): Promise<void>;
}

/** How {@link dryRunPrinter} prints. */
export interface DryRunPrinterOptions {
  readonly print: (line: string) => Promise<void>;
  readonly json: boolean;
  /** What the sink has counted so far: its `documents` are those by index. */
  readonly figures: () => object | undefined;
}

/** Makes the printer. */
export function dryRunPrinter({ print, json, figures }: DryRunPrinterOptions): DryRunPrinter {
  const documents = (): Documents => (figures() as { readonly documents?: Documents } | undefined)?.documents ?? {};
  let before: Documents = {};

  async function line(head: Readonly<Record<string, string>>, rows: RowCounters, written: Documents): Promise<void> {
    if (json) return await print(JSON.stringify({ ...head, ...rowMembers(rows), documents: written }));
    const counts = Object.entries(written).map(([index, count]) => `${index} ${count.toLocaleString("en-US")}`);
    await print(
      `${head.file ?? "All files"}: ${rowsText(rows)}${counts.length > 0 ? `; documents: ${counts.join(", ")}` : ""}`,
    );
  }

  return {
    async file({ name }, rows) {
      const now = documents();
      const added = Object.entries(now)
        .map(([index, count]) => [index, count - (before[index] ?? 0)] as const)
        .filter(([, count]) => count > 0);
      before = now;
      await line({ file: name }, rows, Object.fromEntries(added));
    },
    sums: (rows) => line({}, rows, documents()),
  };
}
