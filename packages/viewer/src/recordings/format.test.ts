import { expect, it } from 'vitest';
import { durationText, importText } from './format.ts';

const WHOLE = { version: 3, events: 1204, skipped: 0, inputDropped: 0, timesMended: 0, isCut: false };

it('reports how much was imported, and everything that was not', () => {
  expect(importText(WHOLE)).toBe('1,204 events.');
  expect(importText({ ...WHOLE, events: 1, skipped: 1, inputDropped: 2, timesMended: 3, isCut: true })).toBe(
    '1 event; what was typed was left out (2 events); 1 event made no sense and was skipped; 3 times went backwards and were mended; its last line was cut off.',
  );
});

it('gives the duration', () => {
  expect([0, 8_400, 60_000, 200_000, 3_720_000].map(durationText)).toEqual([
    '0 s',
    '8 s',
    '1 min 00 s',
    '3 min 20 s',
    '1 h 02 min',
  ]);
});
