import { expect, it } from 'vitest';
import { LazyPart } from './lazy-part.ts';

it('a part is loaded once for all callers, and later calls return at once', async () => {
  let count = 0;
  const part = new LazyPart(async () => {
    count += 1;
    return { count };
  });
  expect(part.loaded).toBeUndefined();
  const [one, other] = await Promise.all([part.load(), part.load()]);
  expect([one, other, part.loaded]).toEqual([{ count: 1 }, { count: 1 }, { count: 1 }]);
  expect(part.loaded).toBe(one);
});

it('a part that fails to load is reported as unreachable, with the cause, to all callers', async () => {
  const cause = new TypeError('Failed to fetch dynamically imported module');
  const part = new LazyPart(() => Promise.reject(cause));
  for (let time = 0; time < 2; time += 1) {
    await expect(part.load()).rejects.toMatchObject({ code: 'unreachable', cause });
  }
  expect(part.loaded).toBeUndefined();
});
