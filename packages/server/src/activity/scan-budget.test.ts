import { describe, expect, it } from 'vitest';
import { ScanBudget } from './scan-budget.ts';

describe('looks at output', () => {
  it('are one at a time, in their order, with a pause of nine times as long: a tenth of a core in all', async () => {
    const turns = new ScanBudget();
    const log: string[] = [];
    const ended: number[] = [];
    const began: number[] = [];
    const busy = (name: string) => async () => {
      began.push(performance.now());
      log.push(`${name} begins`);
      while (performance.now() - (began.at(-1) ?? 0) < 5);
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`${name} ends`);
      ended.push(performance.now());
    };
    await Promise.all(['a', 'b', 'c'].map((name) => turns.take(busy(name))));
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    for (const n of [1, 2]) expect((began[n] ?? 0) - (ended[n - 1] ?? 0)).toBeGreaterThanOrEqual(44);
  });

  it('that fail say so, and keep nobody waiting', async () => {
    const turns = new ScanBudget();
    const failed = turns.take(() => Promise.reject(new Error('no log')));
    const other = turns.take(() => Promise.resolve());
    await expect(failed).rejects.toThrow('no log');
    await other;
  });
});
