import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Drawing } from './drawing.ts';
import { Screens, type ScreenTimes } from './screens.ts';

const never = new AbortController().signal;
const nothing: Drawing = { bytes: Buffer.from('x'), sizes: [] };
const read = async (): Promise<Drawing> => nothing;

let dir: string;
let screens: Screens;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-screens-'));
});
afterEach(async () => {
  await screens.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Real threads that do this. */
function open(does: string, times: Partial<ScreenTimes> = {}): void {
  const script = join(dir, 'thread.mjs');
  writeFileSync(script, `import { parentPort, workerData } from 'node:worker_threads';\n${does}`);
  screens = new Screens(script, times);
}

describe('screens', () => {
  it('that are never done are given up, by code, and the next ones are drawn', async () => {
    open('if (workerData.sizes.length > 0) for (;;); parentPort.postMessage({ title: "done" });', { drawMs: 1500 });
    const endless = async (): Promise<Drawing> => ({ ...nothing, sizes: [{ at: 0, cols: 1, rows: 1 }] });
    const all = [endless, endless, endless, read].map((one) => screens.draw(one, never));
    const codes = await Promise.all(all.map((one) => one.then(({ title }) => title).catch(({ code }) => code)));
    expect(codes).toEqual(['screen_timeout', 'screen_timeout', 'screen_timeout', 'done']);
  });

  it('that take too much memory are given up, by code, and nothing else is', async () => {
    open('const all = []; for (;;) all.push(new Array(10_000).fill({}).map(() => ({})));', { drawMs: 20_000 });
    await expect(screens.draw(read, never)).rejects.toMatchObject({
      code: 'screen_timeout',
      message: expect.stringContaining('memory'),
    });
  }, 30_000);

  it('whose output is read for too long are given up before they are drawn', async () => {
    open('parentPort.postMessage({});', { drawMs: 50 });
    const slow = (until: AbortSignal): Promise<Drawing> =>
      new Promise((resolve) => until.addEventListener('abort', () => resolve(nothing)));
    await expect(screens.draw(slow, never)).rejects.toMatchObject({ code: 'screen_timeout' });
  });

  it('are drawn two at once, the others in their order, and who waits too long is told', async () => {
    open('setInterval(() => {}, 1000);', { drawMs: 1000, waitMs: 100 });
    let reads = 0;
    const counted = async (): Promise<Drawing> => {
      reads += 1;
      return nothing;
    };
    const all = [1, 2, 3, 4].map(() => screens.draw(counted, never).catch((error) => error));
    const [first] = await Promise.all([all[2], all[3]]);
    expect(first).toMatchObject({ code: 'screen_timeout', message: expect.stringContaining('Others') });
    expect(reads).toBe(2);
    await Promise.all(all);
  });

  it('of which one fails by itself tell it, and leave room for others', async () => {
    open('throw new Error("broken");');
    for (let i = 0; i < 4; i++) await expect(screens.draw(read, never)).rejects.toThrow('broken');
    await expect(screens.draw(() => Promise.reject(new Error('unread')), never)).rejects.toThrow('unread');
  });

  it('that nobody waits for are ended, and so are all when the gateway stops', async () => {
    open('for (;;);');
    let reads = 0;
    const counted = async (): Promise<Drawing> => {
      reads += 1;
      return nothing;
    };
    const leaving = new AbortController();
    const left = [1, 2, 3].map(() => screens.draw(counted, leaving.signal).catch((error) => error));
    await vi.waitFor(() => expect(reads).toBe(2));
    leaving.abort();
    await Promise.all(left);
    expect(reads).toBe(2);
    const last = [1, 2, 3].map(() => screens.draw(counted, never).catch((error) => error));
    await vi.waitFor(() => expect(reads).toBe(4));
    await screens.stop();
    for (const error of await Promise.all(last)) expect(error).toMatchObject({ code: 'going_away' });
  });
});
