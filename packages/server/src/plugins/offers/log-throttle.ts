// A throttle for the gateway's log: a plugin can cause failures as often as it likes.

const EVERY_MS = 10_000;
const MAX_MESSAGE_CHARS = 500;

export class LogThrottle {
  readonly #now: () => number;
  /** Last entry by plugin. At most one per plugin ever installed. */
  readonly #of = new Map<string, { at: number; unsaid: number }>();

  /** `now`: monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Returns the number of entries suppressed since the last one; undefined if this entry is suppressed, too. */
  admit(plugin: string): number | undefined {
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

/** Returns the beginning of an error message, which a plugin can make long. */
export const briefly = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE_CHARS);
