import { expect, it } from 'vitest';
import { blocksOf } from './prose.tsx';

/** As marks that tests can read. */
const read = (text: string): string[] =>
  blocksOf(text).map(
    ({ level, spans }) => `${level} ${spans.map(({ kind, text: content }) => `${kind[0]}(${content})`).join('')}`,
  );

it('finds headings, strong words and code in a line', () => {
  expect(read('# Plan\n\nI **changed** `a.ts`\nand ran it\n## Next ##\nrest')).toEqual([
    '1 t(Plan)',
    '0 t(I )s(changed)t( )c(a.ts)t(\nand ran it)',
    '2 t(Next)',
    '0 t(rest)',
  ]);
  expect(read('# **All** of `it`')).toEqual(['1 s(All)t( of )c(it)']);
});

it('leaves as text what is not closed, spans lines, or is something else', () => {
  const texts = [
    '2 ** 3 ** 4',
    '**not yet',
    '`not\nyet`',
    '#no heading',
    '*one*',
    '- a\n- b',
    '[x](https://e.example)',
  ];
  for (const text of [...texts, '<b>x</b>', '![x](y)', '****', '``']) expect(read(text)).toEqual([`0 t(${text})`]);
  expect(read('`**a**` **`b`**')).toEqual(['0 c(**a**)t( )s(`b`)']);
});

it('takes no time for texts that are made to take it', () => {
  for (const part of ['**a ', '`a', '* ', '**', '# ', '**a *']) {
    const text = part.repeat(100_000 / part.length);
    const begun = performance.now();
    blocksOf(text);
    // Alone it is some 10 ms; what grows with the square of the length takes minutes.
    expect(performance.now() - begun).toBeLessThan(5000);
  }
  expect(blocksOf(`${'x'.repeat(100_001)} **y**`)).toHaveLength(1);
});
