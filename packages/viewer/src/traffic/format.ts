// Text and bars for traffic and searches. Pure.

import type { StoredEvent, StoredEventList, TrafficStats } from '@binnacle/protocol';

export const isFailure = (event: StoredEvent): boolean =>
  event.signal !== null || (event.exit_code !== null && event.exit_code !== 0);

/** Describes an end: a signal, an exit code, or only that it ended; empty without an end. */
export function exitText(event: StoredEvent): string {
  if (event.signal !== null) return event.signal;
  if (event.exit_code !== null) return String(event.exit_code);
  return event.is_final ? 'ended' : '';
}

export interface Hour {
  readonly hour: number;
  readonly events: number;
  readonly bytes: number;
  readonly failures: number;
}

const HOUR_MS = 3_600_000;

/** Returns the last `count` hours, oldest first, all sources together, hours without traffic included. */
export function lastHours(stats: TrafficStats, now: number, count: number): readonly Hour[] {
  const latest = Math.floor(now / HOUR_MS) * HOUR_MS;
  const hours = new Map<number, Hour>();
  for (let at = count - 1; at >= 0; at -= 1) {
    const hour = latest - at * HOUR_MS;
    hours.set(hour, { hour, events: 0, bytes: 0, failures: 0 });
  }
  for (const one of stats.hours) {
    const known = hours.get(Math.floor(one.hour / HOUR_MS) * HOUR_MS);
    if (known === undefined) continue;
    const { hour } = known;
    const failures = known.failures + one.failures;
    hours.set(hour, { hour, events: known.events + one.events, bytes: known.bytes + one.bytes, failures });
  }
  return [...hours.values()];
}

export const total = (hours: readonly Hour[]): Omit<Hour, 'hour'> => ({
  events: hours.reduce((sum, hour) => sum + hour.events, 0),
  bytes: hours.reduce((sum, hour) => sum + hour.bytes, 0),
  failures: hours.reduce((sum, hour) => sum + hour.failures, 0),
});

/**
 * Puts the current first page before the known events. Without an overlap the page replaces the known events: the
 * events between them are missing.
 */
export function withNewest(known: StoredEventList, page: StoredEventList): StoredEventList {
  const first = known.events[0];
  if (first === undefined) return page;
  const at = page.events.findIndex((event) => event.id === first.id);
  if (at === -1) return page;
  return at === 0 ? known : { events: [...page.events.slice(0, at), ...known.events], next: known.next };
}
