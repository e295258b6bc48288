import { afterEach, expect, it, vi } from 'vitest';
import { SearchTurns } from './search-turns.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** An action that lasts until `end` is called. */
function lasting(): { readonly act: () => Promise<void>; readonly end: () => void; isRunning(): boolean } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  let isRunning = false;
  return {
    act: async () => {
      isRunning = true;
      await promise;
      isRunning = false;
    },
    end: () => resolve(),
    isRunning: () => isRunning,
  };
}
const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

it('searches run beside each other, and a change waits for them', async () => {
  const turns = new SearchTurns();
  const [a, b, change] = [lasting(), lasting(), lasting()];
  const done = [turns.search(a.act), turns.change(change.act), turns.search(b.act)];
  await settle();
  expect([a.isRunning(), b.isRunning(), change.isRunning()]).toEqual([true, true, false]);
  a.end();
  await settle();
  expect(change.isRunning()).toBe(false);
  b.end();
  await settle();
  expect(change.isRunning()).toBe(true);
  const c = lasting();
  done.push(turns.search(c.act));
  await settle();
  expect(c.isRunning()).toBe(false);
  change.end();
  await settle();
  expect(c.isRunning()).toBe(true);
  c.end();
  await Promise.all(done);
});

it('searches without a gap do not keep a change waiting for ever', async () => {
  const turns = new SearchTurns();
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const [a, b, change] = [lasting(), lasting(), lasting()];
  const done = [turns.search(a.act), turns.change(change.act)];
  await settle();
  now = 20_000;
  done.push(turns.search(b.act));
  await settle();
  expect(b.isRunning()).toBe(false);
  a.end();
  await settle();
  expect([change.isRunning(), b.isRunning()]).toEqual([true, false]);
  change.end();
  await settle();
  expect(b.isRunning()).toBe(true);
  b.end();
  await Promise.all(done);
});

it('a failure ends the turn', async () => {
  const turns = new SearchTurns();
  const fail = async (): Promise<never> => {
    throw new Error('no');
  };
  await expect(turns.search(fail)).rejects.toThrow('no');
  await expect(turns.change(fail)).rejects.toThrow('no');
  expect(await turns.change(async () => 1)).toBe(1);
  expect(await turns.search(async () => 2)).toBe(2);
});
