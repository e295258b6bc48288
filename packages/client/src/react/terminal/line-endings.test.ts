import { expect, it } from 'vitest';
import { BareLines } from './drawing.ts';

const bareIn = (...chunks: string[]): boolean[] => {
  const lines = new BareLines();
  return chunks.map((chunk) => lines.are(new TextEncoder().encode(chunk)));
};

it('lines of a program without a terminal are bare', () => {
  expect(bareIn('a', 'b\nc', 'd\r\n')).toEqual([false, true, true]);
  expect(bareIn('\n')).toEqual([true]);
});

it('lines of a terminal are not bare, even if a chunk ends between return and feed', () => {
  expect(bareIn('a\r\nb', 'c\n')).toEqual([false, false]);
  expect(bareIn('a\r', '\nb\n')).toEqual([false, false]);
  expect(bareIn('', 'a\r', '', '\n')).toEqual([false, false, false, false]);
});
