import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEpoch } from '@binnacle/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryLog } from '../log/memory-log.fixture.ts';
import type { Session, SessionListener } from '../sessions/session.ts';
import { type ScreenTimes, SessionScreens } from './session-screens.ts';

/** Nothing is late for want of a processor; tests of what is late say when that is. */
const PATIENT = { checkMs: 10, drawMs: 20_000, waitMs: 20_000 };

const log = pino({ level: 'silent' });

let dir: string;
let screens: SessionScreens;
let watcher: SessionListener;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-screens-'));
});
afterEach(async () => {
  await screens.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Real processes that do this with each job; `start`: what they do before. */
function open(does: string, times: Partial<ScreenTimes> = {}, live: Session[] = [], start = ''): void {
  const script = join(dir, 'drawing.mjs');
  writeFileSync(
    script,
    `import { appendFileSync } from 'node:fs';
     ${start}
     const drawn = (job) => ({ offset: job.head.offset, position: 'p', data: job.id, lines: [] });
     process.on('message', ({ n, job, answers }) => {
       appendFileSync(${JSON.stringify(join(dir, 'jobs'))}, 'x');
       process.send({ t: 'begun', n });
       ${does}
     });
     const answer = (n, job) => process.send({ t: 'drawn', n, drawn: drawn(job), reached: job.head.offset });`,
  );
  const watch = (one: SessionListener) => {
    watcher = one;
    return () => undefined;
  };
  screens = new SessionScreens({ script, dirOf: () => dir, live: () => live, watch, log }, { ...PATIENT, ...times });
}

/** The part of a session that screens need. */
function sessionOf(id: string, bytes = 10, mode: 'pty' | 'pipe' = 'pty'): Session {
  const memory = new MemoryLog({ epoch: parseEpoch('screens') });
  const whole = Buffer.alloc(1024 * 1024, 'x');
  for (let left = bytes; left > 0; left -= whole.length) memory.append('tty', whole.subarray(0, left), 0);
  const record = { spec: { mode, cols: 80, rows: 24 } };
  return { id, record, log: memory, isForeign: false, isHosted: true, refresh: async () => undefined } as never;
}

describe('the screens of sessions', () => {
  it('are drawn once for all who ask at the same time', async () => {
    open('setTimeout(() => answer(n, job), 50);');
    const session = sessionOf('one');
    const all = await Promise.all(Array.from({ length: 50 }, () => screens.of(session)));
    expect(new Set(all).size).toBe(1);
    expect(all[0]).toMatchObject({ data: 'one', offset: 10 });
  });

  it('that hang a process, kill it or wait too long are empty and say so, and the next ones are drawn', async () => {
    open('if (job.id === "hangs") for (;;); if (job.id === "dies") process.exit(1); answer(n, job);', {
      drawMs: 100,
      graceMs: 400,
      waitMs: 500,
    });
    const requests = ['hangs', 'dies', 'sound'].map((id) => screens.of(sessionOf(id)));
    const [hangs, dies] = await Promise.all(requests);
    for (const one of [hangs, dies]) expect(one).toMatchObject({ exact: false, data: '\x1bc', drawnFrom: 0 });
    // Processes are started for them, which may take longer than these times.
    await vi.waitFor(async () => expect(await screens.of(sessionOf('sound'))).toMatchObject({ data: 'sound' }), {
      timeout: 20_000,
    });
  });

  it('are drawn as well by a process that takes longer to start than a screen may take', async () => {
    const start = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);';
    open('answer(n, job);', { drawMs: 100, graceMs: 400 }, [], start);
    const session = sessionOf('one');
    expect(await screens.of(session)).toMatchObject({ data: 'one' });
    expect(await screens.requireScreen(session, { offset: 4, by: 'me' })).toMatchObject({ data: 'one' });
  });

  it('are not there for a session on pipes', async () => {
    open('answer(n, job);');
    await expect(screens.of(sessionOf('one', 10, 'pipe'))).rejects.toMatchObject({ code: 'not_a_tty' });
  });

  it('of offsets that are not kept any more, or are not there yet, are refused by code, with the numbers', async () => {
    open('answer(n, job);');
    const session = sessionOf('one');
    const { epoch } = session.log;
    const log = { epoch, oldest: { place: 40, offset: 4 }, head: { place: 90, offset: 10 } };
    const at = (offset: number) => screens.of({ ...session, log } as never, { offset, by: 'me' });
    const details = { oldestOffset: 4, headOffset: 10 };
    await expect(at(3)).rejects.toMatchObject({ code: 'gap', details });
    await expect(at(11)).rejects.toMatchObject({ code: 'offset_ahead', details });
    expect(await at(4)).toMatchObject({ data: 'one' });
  });

  it('of one asker are drawn one at a time, at whatever offsets, and those of others are drawn beside it', async () => {
    open('setTimeout(() => answer(n, job), 30);');
    const session = sessionOf('one', 5000);
    const ask = (offset: number, by: string) =>
      screens.of(session, { offset, by }).then(
        () => 'drawn',
        (error) => error.code as string,
      );
    const mine = Array.from({ length: 100 }, (_, n) => ask(n, 'me'));
    const theirs = ask(4000, 'they');
    expect(await Promise.race([theirs, mine[99]])).toBe('drawn');
    expect(await theirs).toBe('drawn');
    const answers = await Promise.all(mine);
    expect(answers.filter((answer) => answer === 'asked_again')).toHaveLength(95);
    expect([answers[0], ...answers.slice(-4)]).toEqual(Array.from({ length: 5 }, () => 'drawn'));
  });

  it('of now are drawn before those at offsets that wait, however many ask for these', async () => {
    open('setTimeout(() => answer(n, job), 30);');
    const session = sessionOf('one', 5000);
    const done: string[] = [];
    const at = Array.from({ length: 20 }, (_, n) =>
      screens.of(session, { offset: n, by: `guest ${n}` }).then(() => done.push('at')),
    );
    const now = screens.of(sessionOf('mine')).then(() => done.push('now'));
    await Promise.all([...at, now]);
    expect(done.indexOf('now')).toBeLessThan(5);
  });

  it('are not drawn any more when the gateway stops', async () => {
    open('for (;;);');
    const requests = screens.of(sessionOf('one')).catch((error) => error);
    await vi.waitFor(() => expect(screens).toBeDefined());
    await screens.stop();
    expect(await requests).toMatchObject({ code: 'going_away' });
  });

  it('are made in the background of long output alone, and not again of what hangs a process', async () => {
    const jobs: string[] = [];
    open(
      'process.send({ t: "drawn", n, drawn: undefined, reached: job.id === "hangs" ? 0 : job.head.offset }); if (job.id === "hangs") for (;;);',
      { sliceMs: 20_000 },
    );
    const requests: Session[] = [sessionOf('short'), sessionOf('long', 5 * 1024 * 1024)];
    for (const session of requests) {
      const { log: memory } = session;
      Object.defineProperty(session, 'record', {
        get: () => {
          jobs.push(session.id);
          return { spec: { mode: 'pty', cols: 80, rows: 24 } };
        },
      });
      expect(memory.head.offset).toBeGreaterThan(0);
      watcher.changed?.(session);
    }
    const { readFileSync, existsSync } = await import('node:fs');
    const count = (): number => (existsSync(join(dir, 'jobs')) ? readFileSync(join(dir, 'jobs')).length : 0);
    const patience = { timeout: 10_000 };
    await vi.waitFor(() => expect(count()).toBe(1), patience);
    const jobsBefore = jobs.length;
    await vi.waitFor(() => expect(jobs.length).toBeGreaterThan(jobsBefore + 6), patience);
    expect(count()).toBe(1);
  });
});
