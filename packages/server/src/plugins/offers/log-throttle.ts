// How often our own log tells of one plugin: what fails can fail as often as a plugin likes. Knows no log.

const EVERY_MS = 10_000;
const MAX_WORDS = 500;

export class Seldom {
  readonly #now: () => number;
  /** By plugin. There are no more than were installed. */
  readonly #of = new Map<string, { at: number; unsaid: number }>();

  /** `now`: monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How many were not told since the last that was; undefined: this one is not told, either. */
  tell(plugin: string): number | undefined {
    const now = this.#now();
    const last = this.#of.get(plugin);
    if (last !== undefined && now - last.at < EVERY_MS) {
      last.unsaid += 1;
      return undefined;
    }
    this.#of.set(plugin, { at: now, unsaid: 0 });
    return last?.unsaid ?? 0;
  }
}

/** What a plugin says of its failure can be long. */
export const briefly = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, MAX_WORDS);
