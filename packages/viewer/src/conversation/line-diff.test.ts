import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DiffRow, lineDiff } from './line-diff.ts';

const shape = (rows: readonly DiffRow[]): string[] =>
  rows.map((row) =>
    row.kind === 'skipped' ? `… ${row.count}` : `${{ same: ' ', added: '+', removed: '-' }[row.kind]}${row.text}`,
  );

describe('the difference of two texts', () => {
  it('names removed lines before added ones, with what stands around them', () => {
    const diff = lineDiff('a\nb\nc\n', 'a\nB\nc\nd\n');
    expect(shape(diff.rows)).toEqual([' a', '-b', '+B', ' c', '+d']);
    expect([diff.added, diff.removed]).toEqual([2, 1]);
  });

  it('of a new file is all added, and of an emptied one all removed', () => {
    expect(shape(lineDiff(null, 'x\ny').rows)).toEqual(['+x', '+y']);
    expect(shape(lineDiff('x\ny\n', '').rows)).toEqual(['-x', '-y']);
    expect(lineDiff('same\n', 'same\n')).toMatchObject({ added: 0, removed: 0 });
  });

  it('of a new file of any length has all its lines', () => {
    expect(lineDiff(null, '\n'.repeat(300_000)).added).toBe(300_000);
    expect(lineDiff('\n'.repeat(300_000), '').removed).toBe(300_000);
  });

  it('leaves out what is far from a change, and says how much', () => {
    const old = Array.from({ length: 40 }, (_, i) => `l${i}`);
    const now = old.with(20, 'other');
    expect(shape(lineDiff(old.join('\n'), now.join('\n')).rows)).toEqual([
      '… 17',
      ' l17',
      ' l18',
      ' l19',
      '-l20',
      '+other',
      ' l21',
      ' l22',
      ' l23',
      '… 16',
    ]);
  });

  it('of two large texts without a common line comes at once, and is whole', () => {
    const old = Array.from({ length: 20_000 }, (_, i) => `a${i}`).join('\n');
    const now = Array.from({ length: 20_000 }, (_, i) => `b${i}`).join('\n');
    expect(lineDiff(old, now)).toMatchObject({ added: 20_000, removed: 20_000 });
  });

  it('makes the second text out of the first, always, with true line numbers', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const old = before === '' ? [] : before.replace(/\n$/, '').split('\n');
        const now = after === '' ? [] : after.replace(/\n$/, '').split('\n');
        const { rows, added, removed } = lineDiff(before, after);
        for (const row of rows) {
          if (row.kind === 'skipped') continue;
          expect((row.kind === 'removed' ? old : now)[row.line - 1]).toBe(row.text);
        }
        expect(now.length - added).toBe(old.length - removed);
        const retained = rows.reduce(
          (sum, row) => sum + (row.kind === 'skipped' ? row.count : row.kind === 'same' ? 1 : 0),
          0,
        );
        expect(retained).toBe(now.length - added);
      }),
    );
  });
});
