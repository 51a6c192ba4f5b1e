/**
 * The names of Megastream files, which tell their times.
 *
 * @module
 */

const NAME = /(?:^|\/)mega_jetstream_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)\.db\.zip$/;

/**
 * The time in a file's name, in microseconds since 1970: the start of the five minutes whose rows it has.
 *
 * @param name With or without folders before it: `mega_jetstream_20250109_120000.db.zip`. The digits are UTC.
 * @returns `undefined` for a name of another form, and for digits that no calendar or clock shows.
 */
export function megastreamTime(name: string): number | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date.parse turns February 30 into March, and 24:00 into the next day.
  if (Number.isNaN(ms) || !name.endsWith(megastreamName(ms * 1000))) return undefined;
  return ms * 1000;
}

/**
 * The name of the file that begins at a time.
 *
 * @param us Microseconds since 1970, of the years 0 to 9999; cut to whole seconds.
 */
export function megastreamName(us: number): string {
  const digits = new Date(Math.floor(us / 1e6) * 1000).toISOString().replaceAll(/[-:]/g, "");
  return `mega_jetstream_${digits.slice(0, 8)}_${digits.slice(9, 15)}.db.zip`;
}
