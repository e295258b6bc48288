// Reports of growth that a gateway has asked for: for each log, how much, how late, and how often.

import type { Pace } from '../log/log.ts';

/** A log that may grow. */
interface GrowingLog {
  readonly spec: { readonly id: string };
  readonly head: { readonly place: number };
  readonly isClosed: boolean;
}

export interface GrowthWatch {
  readonly pace: Pace;
  /** The next report is beyond this place. */
  place: number;
  /** Reports that are still to come. */
  left: number;
  timer?: NodeJS.Timeout | undefined;
}

export class GrowthWatches<Log extends GrowingLog> {
  readonly #report: (log: Log, left: number) => void;
  readonly #watches = new Map<string, GrowthWatch>();

  /** `report`: gets the log, and how many reports are still to come without another watch. */
  constructor(report: (log: Log, left: number) => void) {
    this.#report = report;
  }

  /** Replaces the watch of a log. */
  set(log: Log, watch: Omit<GrowthWatch, 'timer'>): void {
    const { id } = log.spec;
    clearTimeout(this.#watches.get(id)?.timer);
    this.#watches.set(id, { ...watch });
    this.grew(log);
  }

  /** Reports the growth of a log, now or at the pace of its watch. */
  grew(log: Log): void {
    const watch = this.#watches.get(log.spec.id);
    if (watch === undefined) return;
    const grown = log.head.place - watch.place;
    if (grown <= 0) return;
    const { atLeast, maxDelayMs } = watch.pace;
    if (grown >= atLeast || maxDelayMs <= 0) this.flush(log);
    else watch.timer ??= setTimeout(() => this.flush(log), maxDelayMs);
  }

  /** Reports what a watched log has now; for the last time if it is closed. */
  flush(log: Log): void {
    const { id } = log.spec;
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    clearTimeout(watch.timer);
    watch.timer = undefined;
    watch.place = log.head.place;
    watch.left -= 1;
    if (watch.left <= 0 || log.isClosed) this.#watches.delete(id);
    this.#report(log, watch.left);
  }

  /** Drops all watches: another gateway asks anew. */
  clear(): void {
    for (const { timer } of this.#watches.values()) clearTimeout(timer);
    this.#watches.clear();
  }
}
