import { expect, it } from 'vitest';
import { NO_REPORT, withEvent } from './foreign.ts';

const event = (time: number, traffic?: object) =>
  ({
    type: 'event',
    time,
    offset: 0,
    position: '',
    data: traffic === undefined ? { type: 'run_started' } : { traffic },
  }) as const;

it('lost bytes of an emitter are summed, and its last command and time are kept', () => {
  const first = withEvent(NO_REPORT, event(5000, { bytes: 1, command: 'make', lost_bytes: 3 }));
  expect(first).toEqual({ lostBytes: 3, heardAt: 5000, command: 'make' });
  expect(withEvent(first, event(6000, { bytes: 0, lost_bytes: 4 }))).toEqual({
    lostBytes: 7,
    heardAt: 6000,
    command: 'make',
  });
});

it('a report without news within a second, and an event of a run, change nothing', () => {
  const report = { lostBytes: 0, heardAt: 5000, command: 'make' };
  expect(withEvent(report, event(5999, { bytes: 9, command: 'make' }))).toBe(report);
  expect(withEvent(report, event(9000))).toBe(report);
});
