import { expect, it } from 'vitest';
import { withoutPadding } from './copy-text.ts';

it('spaces at the ends of lines are removed; inner spaces and empty lines stay', () => {
  expect(withoutPadding('  a  b \t\nc\u00a0 \r\n\n  \nd  ')).toBe('  a  b\nc\r\n\n\nd');
});

it('a very long line of spaces takes no noticeable time', () => {
  const long = `${' '.repeat(4_000_000)}x`;
  expect(withoutPadding(long)).toBe(long);
});
