import { expect, it } from 'vitest';
import { FairScheduler } from './fair-scheduler.ts';

it('one slice has each turn of the event loop, and each who asks has one after the other', async () => {
  const scheduler = new FairScheduler();
  const done: string[] = [];
  let loops = 0;
  let isOver = false;
  const count = (): void => {
    loops += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const seen: number[] = [];
  await new Promise<void>((resolve) => {
    const ask = (who: string, what: string, left: number): void =>
      scheduler.schedule(who, () => {
        done.push(what);
        seen.push(loops);
        if (left > 1) ask(who, what, left - 1);
        else if (done.length === 12) resolve();
      });
    for (const what of ['a', 'b', 'c']) ask('one', what, 3);
    ask('two', 'x', 3);
  });
  isOver = true;
  // Whoever asks for three gets no more of the first six than whoever asks for one.
  expect(done.slice(0, 6).filter((what) => what === 'x')).toHaveLength(3);
  expect(done.join('').replaceAll('x', '')).toBe('abcabcabc');
  expect(new Set(seen).size).toBe(12);
});
