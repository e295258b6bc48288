import { expect, it } from 'vitest';
import { BareLines } from './line-endings.ts';

const told = (...chunks: string[]): boolean[] => {
  const lines = new BareLines();
  return chunks.map((chunk) => lines.are(new TextEncoder().encode(chunk)));
};

it('lines of a program without a terminal are bare', () => {
  expect(told('a', 'b\nc', 'd\r\n')).toEqual([false, true, true]);
  expect(told('\n')).toEqual([true]);
});

it('lines of a terminal are not, also where a chunk ends between the return and the feed', () => {
  expect(told('a\r\nb', 'c\n')).toEqual([false, false]);
  expect(told('a\r', '\nb\n')).toEqual([false, false]);
  expect(told('', 'a\r', '', '\n')).toEqual([false, false, false, false]);
});
