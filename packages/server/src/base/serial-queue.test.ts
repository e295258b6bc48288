import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyedSerialQueue, SerialQueue } from './serial-queue.ts';

it('operations run one at a time in the order of arrival, also after one that fails', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ steps: fc.nat(3), fails: fc.boolean(), verdict: fc.option(fc.nat(3)) })),
      async (all) => {
        const queue = new SerialQueue();
        const begun: number[] = [];
        let running = 0;
        const results = all.map(({ steps, fails, verdict }, i) =>
          queue.runAfter(verdict === null ? undefined : pass(verdict), async () => {
            running += 1;
            expect(running).toBe(1);
            begun.push(i);
            await pass(steps);
            running -= 1;
            if (fails) throw new Error(`no ${i}`);
            return i;
          }),
        );
        const settled = await Promise.allSettled(results);
        expect(begun).toEqual(all.map((_, i) => i));
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(all.map(({ fails }) => fails));
        expect(queue.isIdle).toBe(true);
      },
    ),
  );
});

it('an operation does not begin in the step of its caller, and the queue is busy until it is over', async () => {
  const queue = new SerialQueue();
  let hasBegun = false;
  const done = queue.run(() => {
    hasBegun = true;
  });
  expect([hasBegun, queue.isIdle]).toEqual([false, false]);
  await done;
  expect([hasBegun, queue.isIdle]).toEqual([true, true]);
});

it('a refused verdict reaches the caller alone, however early it comes', async () => {
  const queue = new SerialQueue();
  const seen: string[] = [];
  const first = queue.run(async () => {
    await pass(5);
    seen.push('first');
  });
  const refused = queue.runAfter(Promise.reject(new Error('vetoed')), () => seen.push('never'));
  const last = queue.run(() => seen.push('last'));
  await first;
  await expect(refused).rejects.toThrow('vetoed');
  await last;
  expect(seen).toEqual(['first', 'last']);
});

it('keys do not wait for one another, and a key without operations is forgotten', async () => {
  const queue = new KeyedSerialQueue();
  const seen: string[] = [];
  const slow = queue.run('a', async () => {
    await pass(20);
    seen.push('a1');
  });
  const next = queue.run('a', () => seen.push('a2'));
  await queue.run('b', () => seen.push('b'));
  expect(seen).toEqual(['b']);
  expect([queue.has('a'), queue.has('c')]).toEqual([true, false]);
  await queue.drained;
  expect(seen).toEqual(['b', 'a1', 'a2']);
  await Promise.all([slow, next]);
  expect([queue.has('a'), queue.has('b')]).toEqual([false, false]);
});

async function pass(steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) await Promise.resolve();
}
