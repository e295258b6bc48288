import type { StoredEvent } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { exitText, isFailure, lastHours, total, withNewest } from './format.ts';

const event = (id: string, over: Partial<StoredEvent> = {}): StoredEvent => ({
  id,
  session: '0199f2aa-0000-7000-8000-000000000001' as StoredEvent['session'],
  session_id: 's',
  source: 'ci',
  labels: {},
  seq: null,
  received_at: 0,
  timestamp: null,
  command_preview: null,
  response_preview: null,
  exit_code: null,
  signal: null,
  is_final: false,
  size: 0,
  lost_bytes: 0,
  offset: 0,
  ...over,
});
const ids = (events: readonly StoredEvent[]): string => events.map(({ id }) => id).join('');

describe('how an event ended', () => {
  it('is said as it was, and never made up', () => {
    expect(exitText(event('a', { exit_code: 0, is_final: true }))).toBe('0');
    expect(exitText(event('a', { exit_code: 2, is_final: true }))).toBe('2');
    expect(exitText(event('a', { signal: 'SIGKILL', is_final: true }))).toBe('SIGKILL');
    expect(exitText(event('a', { is_final: true }))).toBe('ended');
    expect(exitText(event('a'))).toBe('');
    expect(
      [{ exit_code: 0 }, { exit_code: 1 }, { signal: 'SIGTERM' }, {}].map((of) => isFailure(event('a', of))),
    ).toEqual([false, true, true, false]);
  });
});

describe('the list of events', () => {
  const list = (text: string, next: string | null) => ({ events: [...text].map((id) => event(id)), next });

  it('gets new events in front, each once, and goes on where it ended', () => {
    const merged = withNewest(list('dcba', 'a'), list('fedc', 'c'));
    expect([ids(merged.events), merged.next]).toEqual(['fedcba', 'a']);
  });

  it('stays the same object while nothing is new, so that nothing is drawn again', () => {
    const known = list('dc', null);
    expect(withNewest(known, list('dc', null))).toBe(known);
  });

  it('begins anew where more came than a page holds: a hole would look like an end', () => {
    const page = list('zyx', 'x');
    expect(withNewest(list('dcba', null), page)).toBe(page);
    expect(withNewest(list('', null), page)).toBe(page);
  });
});

describe('the last hours', () => {
  const HOUR = 3_600_000;
  const one = (hour: number, source: string, events: number, failures: number) => ({
    hour: hour * HOUR,
    source,
    events,
    bytes: events * 10,
    failures,
    sessions: 1,
  });

  it('are there with and without traffic, all sources together, and nothing older', () => {
    const stats = { hours: [one(96, 'old', 9, 9), one(99, 'a', 2, 0), one(99, 'b', 3, 1), one(100, 'a', 1, 0)] };
    const hours = lastHours(stats, 100 * HOUR + 5, 3);
    expect(hours.map(({ hour, events, failures }) => [hour / HOUR, events, failures])).toEqual([
      [98, 0, 0],
      [99, 5, 1],
      [100, 1, 0],
    ]);
    expect(total(hours)).toEqual({ events: 6, bytes: 60, failures: 1 });
  });
});
