import { BinnacleError } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { ConcurrencyLimit } from './concurrency-limit.ts';

it('one thing is done at a time for each, others do not wait for it, and the newest that wait are kept', async () => {
  const queue = new ConcurrencyLimit({ limit: 1, waiting: 4 });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (who: string, what: string): Promise<string> =>
    queue.run(who, async () => {
      begun.push(what);
      await new Promise<void>((resolve) => ends.set(what, resolve));
      return what;
    });
  const results = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((what) => ask('one', what).catch((error) => error.code));
  const other = ask('two', 'other');
  await Promise.resolve();
  expect(begun).toEqual(['a', 'other']);
  ends.get('other')?.();
  expect(await other).toBe('other');
  for (const what of ['a', 'd', 'e', 'f', 'g']) {
    expect(begun.at(what === 'a' ? 0 : -1)).toBe(what);
    ends.get(what)?.();
    await results[['a', 'b', 'c', 'd', 'e', 'f', 'g'].indexOf(what)];
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await Promise.all(results)).toEqual(['a', 'asked_again', 'asked_again', 'd', 'e', 'f', 'g']);
});

it('what fails lets the next one in', async () => {
  const queue = new ConcurrencyLimit({ limit: 1, waiting: 4 });
  const fails = queue.run('one', () => Promise.reject(new Error('no')));
  const next = queue.run('one', async () => 'yes');
  await expect(fails).rejects.toThrow('no');
  expect(await next).toBe('yes');
});

it('where some are done at once the next ones wait until one of them has ended', async () => {
  const queue = new ConcurrencyLimit({ limit: 2, waiting: 1 });
  const ends: (() => void)[] = [];
  const ask = () => queue.run('one', () => new Promise<void>((resolve) => ends.push(resolve)));
  const [first, second, third, fourth] = [ask(), ask(), ask().catch((error) => error.code), ask()];
  expect(await third).toBe('asked_again');
  expect(ends).toHaveLength(2);
  ends[1]?.();
  await second;
  await new Promise((resolve) => setImmediate(resolve));
  expect(ends).toHaveLength(3);
  for (const end of ends) end();
  await Promise.all([first, fourth]);
});

it('without a place to wait, an operation beyond the limit is refused until a slot is released', async () => {
  const refusal = (limit: number, who: string) => new BinnacleError('too_many_calls', { message: `${who}: ${limit}` });
  const limit = new ConcurrencyLimit({ limit: 2, refusal });
  const [release] = [limit.take('one'), limit.take('one')];
  expect(() => limit.take('one')).toThrow('one: 2');
  await expect(limit.run('one', async () => 'never')).rejects.toThrow('one: 2');
  expect(await limit.run('two', async () => 'other')).toBe('other');
  release();
  // Releasing twice frees one slot.
  release();
  limit.take('one');
  expect(() => limit.take('one')).toThrow('one: 2');
});
