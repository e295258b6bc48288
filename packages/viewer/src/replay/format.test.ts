import type { Timeline } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { bars, elapsed, markText, nextMark, previousMark } from './format.ts';
import { offsetAt } from './player.ts';

const timeline: Timeline = {
  from: 1000,
  to: 9000,
  stepMs: 1000,
  isClipped: false,
  points: [
    { time: 1000, offset: 0, bytes: 4 },
    { time: 3000, offset: 4, bytes: 400 },
  ],
  marks: [
    { kind: 'run', time: 3500, offset: 50, text: 'make\u202e test' },
    { kind: 'exit', time: 9000, offset: 404, text: '' },
  ],
};

it('a moment is shown as the time since the beginning', () => {
  expect([0, 7400, 723_000, 3_723_000].map(elapsed)).toEqual(['0:00', '0:07', '12:03', '1:02:03']);
});

it('the text of a mark is safe to show', () => {
  expect(timeline.marks.map(markText)).toEqual(['Command: make test', 'End']);
});

it('the next and the previous mark are found from any moment, never the shown one', () => {
  expect([1000, 3500, 9000].map((time) => nextMark(timeline, time)?.time)).toEqual([3500, 9000, undefined]);
  expect([1000, 3500, 9000].map((time) => previousMark(timeline, time)?.time)).toEqual([undefined, undefined, 3500]);
});

it('the output offset of a moment is as exact as the timeline, and never too large', () => {
  expect([500, 1000, 3200, 3600, 9000].map((time) => offsetAt(timeline, time))).toEqual([0, 0, 4, 50, 404]);
});

it('the plot spans the whole time, and little output is visible beside much', () => {
  const [times, heights] = bars(timeline);
  expect([times[0], times.at(-1)]).toEqual([1, 9]);
  expect(heights).toEqual([0, 0.1, 1, 0]);
});
