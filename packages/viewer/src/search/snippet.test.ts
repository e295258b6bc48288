import { describe, expect, it } from 'vitest';
import { pieces } from './search-view.tsx';

describe('a snippet', () => {
  const cut = (text: string, matches: [number, number][]) =>
    pieces(text, matches).map(({ text: part, isMatch }) => (isMatch ? `[${part}]` : part));

  it('is cut at its matches', () => {
    expect(cut('an error here', [[3, 8]])).toEqual(['an ', '[error]', ' here']);
    expect(cut('error', [[0, 5]])).toEqual(['[error]']);
    expect(cut('none', [])).toEqual(['none']);
  });

  it('shows each character once, whatever the ranges are', () => {
    const odd: [number, number][] = [
      [4, 9],
      [-3, 2],
      [1, 5],
      [7, 3],
      [8, 99],
    ];
    expect(
      pieces('0123456789', odd)
        .map(({ text }) => text)
        .join(''),
    ).toBe('0123456789');
  });
});
