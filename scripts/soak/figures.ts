/**
 * Memory and file handles of processes over time, and whether they grow.
 *
 * @module
 */

/** What a process had at one moment. */
export interface Sample {
  readonly rss: number;
  readonly handles: number;
}

/** One figure over a process's life. */
export interface Trend {
  /** The median of the second fifth of the life: the first one warms up. */
  readonly start: number;
  /** The median of the last fifth. */
  readonly end: number;
  readonly peak: number;
}

/** What a process held in memory (bytes) and open. */
export interface Figures {
  readonly seconds: number;
  readonly rss: Trend;
  readonly handles: Trend;
}

/** How often is looked. */
const EVERY_MS = 1000;
/** What may come in a life without being a leak: heaps breathe, databases have more or less in their caches. */
const RSS_PART = 0.25, RSS_BYTES = 32 << 20, HANDLES = 10;

/** Follows processes, by name, until the end of the block. */
export interface Watch extends Disposable {
  /** From now on the name means this process. */
  follow(name: string, pid: number): void;
  /** The figures of the longest life that a process of this name had. */
  figuresOf(name: string): Figures;
}

/** Looks into /proc every second. */
export function watchProcesses(): Watch {
  const now = new Map<string, { readonly pid: number; readonly life: Sample[] }>();
  const longest = new Map<string, Sample[]>();
  const look = (): void => {
    for (const [name, { pid, life }] of now) {
      const sample = sampleOf(pid);
      if (sample === undefined) continue;
      life.push(sample);
      if (life.length > (longest.get(name)?.length ?? 0)) longest.set(name, life);
    }
  };
  const timer = setInterval(look, EVERY_MS);
  return {
    follow: (name, pid) => void now.set(name, { pid, life: [] }),
    figuresOf: (name) => figuresOf(longest.get(name) ?? []),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** `undefined` where the process is gone, or there is no /proc. */
function sampleOf(pid: number): Sample | undefined {
  try {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    const handles = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    return kb === undefined ? undefined : { rss: Number(kb) * 1024, handles };
  } catch {
    return undefined;
  }
}

/** Puts the samples of a life together. */
export function figuresOf(life: readonly Sample[]): Figures {
  return {
    seconds: life.length * EVERY_MS / 1000,
    rss: trendOf(life.map(({ rss }) => rss)),
    handles: trendOf(life.map(({ handles }) => handles)),
  };
}

function trendOf(values: readonly number[]): Trend {
  const fifth = values.length / 5;
  return {
    start: median(values.slice(Math.floor(fifth), Math.ceil(2 * fifth))),
    end: median(values.slice(Math.floor(4 * fifth))),
    peak: values.reduce((most, value) => Math.max(most, value), 0),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** What grew more than a process breathes. */
export function growthOf({ rss, handles }: Figures): string[] {
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return [
    ...rss.end > rss.start * (1 + RSS_PART) + RSS_BYTES ? [`memory grew from ${mb(rss.start)} to ${mb(rss.end)}`] : [],
    ...handles.end > handles.start + HANDLES ? [`handles grew from ${handles.start} to ${handles.end}`] : [],
  ];
}
