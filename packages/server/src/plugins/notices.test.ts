import { expect, test } from 'vitest';
import { Notices } from './notices.ts';

test('the last 200 notices are kept, numbered without a hole, and told to who listens', () => {
  const notices = new Notices();
  const heard: number[] = [];
  const stop = notices.listen(({ n }) => heard.push(n));
  const all = Array.from({ length: 450 }, (_, i) => notices.add({ plugin: 'p', title: `${i}`, text: '' }));
  stop();
  const last = notices.add({ plugin: 'p', title: 'last', text: '' });
  expect(heard).toEqual(all.map(({ n }) => n));
  const { notices: stored, next } = notices.after();
  expect(stored.length).toBe(200);
  expect(stored.at(-1)).toEqual(last);
  expect(next).toBe(last.n);
  expect(stored.map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, i) => next - 199 + i));
  expect(notices.after(next - 1).notices).toEqual([last]);
  expect(notices.after(next)).toEqual({ notices: [], next });
});

test('what comes after a restart has higher numbers than what came before it', async () => {
  const before = new Notices().add({ plugin: 'p', title: 'x', text: '' });
  await new Promise((resolve) => setImmediate(resolve));
  while (Date.now() <= before.at) await new Promise((resolve) => setImmediate(resolve));
  expect(new Notices().add({ plugin: 'p', title: 'x', text: '' }).n).toBeGreaterThan(before.n);
});
