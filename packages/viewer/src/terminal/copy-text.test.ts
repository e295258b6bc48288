import { expect, it } from 'vitest';
import { withoutPadding } from './copy-text.ts';

it('spaces at the ends of lines are left out, those within and empty lines stay', () => {
  expect(withoutPadding('  a  b \t\nc\u00a0 \r\n\n  \nd  ')).toBe('  a  b\nc\r\n\n\nd');
});

it('a line of spaces that does not end is done in a blink', () => {
  const long = `${' '.repeat(4_000_000)}x`;
  expect(withoutPadding(long)).toBe(long);
});
