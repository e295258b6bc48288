import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { afterOwnTime, Ticks } from './running-time.ts';

const elapsed = async (ms: number): Promise<number> => {
  const at = performance.now();
  // The timer keeps no process alive; what awaits it here is the test's own.
  await new Promise<void>((resolve) => afterOwnTime(ms, resolve));
  return performance.now() - at;
};

/** Blocks this thread, as a pause of the process would: timers that are due meanwhile fire afterwards. */
const stop = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe('a deadline in our own time', () => {
  it('is passed after as long as was asked for', async () => {
    const elapsedMs = await elapsed(700);
    expect(elapsedMs).toBeGreaterThanOrEqual(695);
    expect(elapsedMs).toBeLessThan(1200);
  });

  it('lets what came during a pause be read first', async () => {
    let isHeard = false;
    const waiting = new Promise<boolean>((resolve) => afterOwnTime(50, () => resolve(isHeard)));
    setImmediate(() => {
      stop(300);
      // A message that has come meanwhile is taken in a turn behind the timers that are due.
      setImmediate(() => {
        isHeard = true;
      });
    });
    expect(await waiting).toBe(true);
  });

  it('counts a pause as one step, however long it was', async () => {
    const at = performance.now();
    const waiting = elapsed(1000);
    stop(1300);
    await waiting;
    // One of two steps of 500 ms is left.
    expect(performance.now() - at).toBeGreaterThanOrEqual(1300 + 490);
  });

  it('is never passed once it is cancelled, also in a later step', async () => {
    let isPassed = false;
    const cancel = afterOwnTime(600, () => {
      isPassed = true;
    });
    await elapsed(520);
    cancel();
    await elapsed(200);
    expect(isPassed).toBe(false);
  });

  it('is not passed in a process that was stopped by a signal, before it has heard what came meanwhile', async () => {
    const script = `
      const { afterOwnTime } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../dist/base/running-time.js')).href)});
      let heard = '';
      process.stdin.on('data', (bytes) => { heard += bytes; });
      afterOwnTime(200, () => { process.stdout.write('heard: ' + heard); process.exit(0); });
      process.stdout.write('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    child.stdin.write('alive');
    await elapsed(600);
    child.kill('SIGCONT');
    const [output] = await once(child.stdout, 'data');
    expect(String(output)).toBe('heard: alive');
    child.kill('SIGKILL');
  });
});

describe('a tick', () => {
  it('is late when it comes after more than twice as long', () => {
    let now = 0;
    const ticks = new Ticks(() => now);
    for (const [at, isLate] of [
      [1000, false],
      [2900, false],
      [5000, true],
      [6000, false],
    ] as const) {
      now = at;
      expect(ticks.isLate(1000)).toBe(isLate);
    }
  });
});
