import type { SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import type { LogProgress } from '../log/progress.ts';
import { timelineOf } from './timeline.ts';

const info = { oldestOffset: 0, outputOffset: 900, exitedAt: null, exitCode: null, signal: null };
const nothing: LogProgress = { from: 1000, to: 2000, stepMs: 10, spans: [], events: [], damaged: [], isWhole: true };
const marksOf = (more: Partial<SessionInfo>, progress: Partial<LogProgress> = {}) =>
  timelineOf({ info: { ...info, ...more } as SessionInfo, progress: { ...nothing, ...progress }, runs: [], waits: [] });

it('what is not kept any more, and what is damaged, is a gap where it was', () => {
  const damaged = [{ time: 1500, offset: 300, to: 400 }];
  expect(marksOf({ oldestOffset: 120 }, { damaged, isWhole: false })).toMatchObject({
    marks: [
      { kind: 'gap', time: 1000, offset: 0, text: '120 bytes of output are missing here (not kept any more)' },
      { kind: 'gap', time: 1500, offset: 300, text: '100 bytes of output are missing here (the log is damaged)' },
    ],
    isClipped: true,
  });
});

it('an exit that the log was not read for is known of the session, and lies within its time', () => {
  expect(marksOf({ exitedAt: 5000, signal: 'SIGKILL' }).marks).toEqual([
    { kind: 'exit', time: 2000, offset: 900, text: 'SIGKILL' },
  ]);
  expect(marksOf({ exitedAt: 1800 }).marks).toMatchObject([{ time: 1800, text: 'nobody knows how' }]);
});

it('text of a program is one line without anything that is not drawn', () => {
  const bytes = Buffer.from(JSON.stringify({ traffic: { command: `a\u202e\n\x1b[31mb${'c'.repeat(500)}` } }));
  const [mark] = marksOf({}, { events: [{ kind: 'event', time: 1, offset: 1, bytes }] }).marks;
  expect(mark?.text).toMatch(/^a \[31mbc+…$/);
  expect(mark?.text).toHaveLength(200);
});

it('bytes of which only the ends are known came evenly between them, and none is lost', () => {
  const spans = [{ from: 1000, to: 1035, offset: 50, bytes: 10 }];
  expect(marksOf({}, { spans }).points).toEqual([
    { time: 1000, offset: 50, bytes: 2 },
    { time: 1010, offset: 52, bytes: 3 },
    { time: 1020, offset: 55, bytes: 2 },
    { time: 1030, offset: 57, bytes: 3 },
  ]);
});
