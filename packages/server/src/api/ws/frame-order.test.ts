import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameOrder } from './websocket.ts';

/** Piece of work that ends on request. */
function work(log: string[], name: string) {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const act = async (): Promise<void> => {
    log.push(`${name} begins`);
    await ended;
    log.push(`${name} ends`);
  };
  return { act, end };
}
const yieldToEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the order of what a connection asks', () => {
  test('is at once and side by side, in the call itself, where nothing changes hands', () => {
    const log: string[] = [];
    const order = new FrameOrder();
    for (const name of ['a', 'b', 'c']) void order.run('s', false, work(log, name).act);
    expect(log).toEqual(['a begins', 'b begins', 'c begins']);
  });

  test('keeps a change of hands behind what came before, and before what comes behind, of that session alone', async () => {
    const log: string[] = [];
    const order = new FrameOrder();
    const [typed, taken, behind, other] = ['typed', 'taken', 'behind', 'other'].map((name) => work(log, name));
    void order.run('s', false, (typed as ReturnType<typeof work>).act);
    void order.run('s', true, (taken as ReturnType<typeof work>).act);
    void order.run('s', false, (behind as ReturnType<typeof work>).act);
    void order.run('t', false, (other as ReturnType<typeof work>).act);
    await yieldToEventLoop();
    expect(log).toEqual(['typed begins', 'other begins']);
    typed?.end();
    await yieldToEventLoop();
    taken?.end();
    await yieldToEventLoop();
    expect(log.slice(2)).toEqual(['typed ends', 'taken begins', 'taken ends', 'behind begins']);
  });

  test('continues after a failure, and reports the failure only to its sender', async () => {
    const order = new FrameOrder();
    const failed = order.run('s', true, () => Promise.reject(new Error('no')));
    const next = order.run('s', false, async () => undefined);
    await expect(failed).rejects.toThrow('no');
    await next;
  });

  test('is as if each change of hands were alone, whatever takes how long', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { maxLength: 20 }),
        async (all) => {
          const order = new FrameOrder();
          const running = new Set<number>();
          const begun: number[] = [];
          await Promise.all(
            all.map(([isAlone, slices], n) =>
              order.run('s', isAlone, async () => {
                begun.push(n);
                if (isAlone) expect(running.size).toBe(0);
                running.add(n);
                for (let i = 0; i < slices; i += 1) {
                  await yieldToEventLoop();
                  if (isAlone) expect([...running]).toEqual([n]);
                }
                running.delete(n);
              }),
            ),
          );
          expect(begun).toEqual(all.map((_, n) => n));
        },
      ),
      { numRuns: 50 },
    );
  });
});
