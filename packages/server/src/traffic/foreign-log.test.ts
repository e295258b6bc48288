import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError, isOutput, type TrafficMark } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, some as someOf } from '../../../../test/support/count.ts';
import { TrustedTime } from '../base/trusted-time.ts';
import { beginningOf, outputOf, readAll } from '../log/conformance.fixture.ts';
import { GroupSync } from '../log/group-sync.ts';
import type { Entry } from '../log/log.ts';
import { listSegments, SEGMENT_HEADER_BYTES, segmentPath } from '../log/segment.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import type { ForeignProgress } from '../store/foreign-sessions.ts';
import { type EmittedEvent, parseEvent } from './event.ts';
import { type EventOutcome, ForeignLog, type ForeignLogOptions } from './foreign-log.ts';

const NEW: ForeignProgress = { epoch: -1, nextSeq: 0, place: 0, offset: 0, heardAt: 1 };
const EVER = Number.MAX_SAFE_INTEGER;
const group = new GroupSync({ intervalMs: 0 });
const options = (changed: Partial<ForeignLogOptions> = {}): ForeignLogOptions => ({
  segmentBytes: 64 * 1024,
  retainBytes: EVER,
  retainMs: EVER,
  group,
  time: new TrustedTime(),
  ...changed,
});

const event = (seq: number | undefined, more: object = {}): EmittedEvent =>
  parseEvent({ session_id: 's', ...(seq === undefined ? {} : { seq }), ...more }, seq !== undefined, Date.now());
const producer = (epoch = 0) => ({ id: 'p', epoch });
const codes = (outcomes: readonly EventOutcome[]): string[] =>
  outcomes.map((outcome) => (outcome instanceof BinnacleError ? outcome.code : outcome));

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-foreign-'));
  dir = join(root, 'session');
  mkdirSync(dir);
});
afterEach(() => rmSync(root, { recursive: true }));

async function read(from = dir): Promise<{ entries: Entry[]; output: string; marks: TrafficMark['traffic'][] }> {
  const reader = SegmentReader.open(join(from, 'log'));
  const { entries, gaps } = await readAll(reader, beginningOf(reader));
  reader.close();
  expect(gaps).toEqual([]);
  const marks = entries
    .filter(({ kind }) => kind === 'event')
    .map(({ bytes }) => JSON.parse(String(Buffer.from(bytes))));
  return {
    entries,
    output: outputOf(entries, 0).toString('latin1'),
    marks: marks.map((mark: TrafficMark) => mark.traffic),
  };
}

const fileOf = (at: string): string => segmentPath(join(at, 'log'), listSegments(join(at, 'log')).at(-1) ?? 0);

describe('the log of a session whose program runs elsewhere', () => {
  it('keeps each event once, in order, and says what became of it', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    const first = [event(0, { command: 'make', response: 'a' }), event(1, { response: 'b', stream: 'tty' })];
    expect(codes(log.take(first, producer(), 5))).toEqual(['stored', 'stored']);
    expect(codes(log.take(first, producer(), 6))).toEqual(['duplicate', 'duplicate']);
    expect(codes(log.take([event(1), event(2, { response: 'c' })], producer(), 7))).toEqual(['duplicate', 'stored']);
    const [gap, later] = log.take([event(5), event(3)], producer(), 8);
    expect(gap).toMatchObject({ code: 'seq_gap', details: { expected: 3, received: 5 } });
    expect(later).toMatchObject({ code: 'earlier_refused' });
    expect(log.progress).toMatchObject({ epoch: 0, nextSeq: 3, heardAt: 7, ...log.head });
    await log.close();
    const { output, marks } = await read();
    expect(output).toBe('abc');
    expect(marks.map(({ seq, bytes }) => [seq, bytes])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
    expect(marks[0]?.command).toBe('make');
  });

  it('T34: takes a newer epoch from 0 on, and nothing of an older one', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    expect(codes(log.take([event(0, { response: 'old ' })], producer(3), 1))).toEqual(['stored']);
    expect(log.take([event(1)], producer(4), 1)[0]).toMatchObject({ code: 'seq_gap', details: { expected: 0 } });
    expect(log.progress.epoch).toBe(3);
    expect(codes(log.take([event(0, { response: 'new ' })], producer(4), 1))).toEqual(['stored']);
    const [zombie, behind] = log.take([event(1, { response: 'undead' }), event(2)], producer(3), 1);
    expect(zombie).toMatchObject({ code: 'stale_epoch', status: 403, details: { epoch: 4, received: 3 } });
    expect(behind).toMatchObject({ code: 'earlier_refused' });
    expect(log.take([event(0)], producer(3), 1)[0]).toMatchObject({ code: 'stale_epoch' });
    expect(codes(log.take([event(1, { response: 'life' })], producer(4), 1))).toEqual(['stored']);
    await log.close();
    expect((await read()).output).toBe('old new life');
  });

  it('ends with the final event, whose repetition is a duplicate for ever', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    const final = [event(0, { response: 'x', is_final: true, exit_code: 3 }), event(1, { response: 'y' })];
    const [stored, refused] = log.take(final, producer(), 1);
    expect(stored).toBe('stored');
    expect(refused).toMatchObject({ code: 'session_exited', hint: 'Use another session_id.' });
    expect(log.end).toEqual({ exitCode: 3, signal: null, isLost: false });
    await log.close();
    const again = await ForeignLog.open(dir, NEW, options());
    expect(again.end).toEqual(log.end);
    expect(codes(again.take(final, producer(), 2))).toEqual(['duplicate', 'session_exited']);
    expect(again.head).toEqual(log.head);
    await again.close();
    const { entries } = await read();
    expect(entries.map(({ kind }) => kind)).toEqual(['tty', 'event', 'exit', 'closed']);
  });

  it('tells how it ended when nobody said so, also to who opens it later', async () => {
    for (const reason of ['lost', 'deleted'] as const) {
      const at = join(root, reason);
      mkdirSync(at);
      const log = await ForeignLog.open(at, NEW, options());
      log.take([event(0, { response: 'x', exit_code: 7 })], producer(), 1);
      log.finish(reason, 2);
      const end = { exitCode: null, signal: null, isLost: reason === 'lost' };
      expect(log.end).toEqual(end);
      await log.close();
      const again = await ForeignLog.open(at, NEW, options());
      expect(again.end).toEqual(end);
      expect(codes(again.take([event(1)], producer(), 3))).toEqual(['session_exited']);
      await again.close();
    }
  });

  it('remembers the size of the terminal', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    expect(log.size).toBeUndefined();
    log.take([event(0, { cols: 100, rows: 30 }), event(1, { cols: 120, rows: 40 }), event(2)], producer(), 1);
    expect(log.size).toEqual({ cols: 120, rows: 40 });
    await log.close();
    const again = await ForeignLog.open(dir, NEW, options());
    expect(again.size).toEqual({ cols: 120, rows: 40 });
    await again.close();
  });

  it('T33: whatever retries, gaps, epochs, kills and torn writes come, each event is kept once and in order', async () => {
    const Step = fc.oneof(
      // From so many before the next one (negative: a gap), so many at once, of so many bytes each.
      {
        weight: 6,
        arbitrary: fc.tuple(
          fc.constant('send' as const),
          fc.integer({ min: -2, max: 6 }),
          fc.integer({ min: 1, max: 8 }),
          fc.integer({ min: 0, max: 9000 }),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constant('stale' as const), fc.constant(0), fc.integer({ min: 1, max: 3 }), fc.nat(50)),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constant('epoch' as const), fc.constant(0), fc.integer({ min: 1, max: 3 }), fc.nat(50)),
      },
      { weight: 2, arbitrary: fc.tuple(fc.constant('kill' as const), fc.nat(100), fc.constant(0), fc.constant(0)) },
      // The write of a batch that was not reported to anybody is cut after that share of its bytes.
      {
        weight: 2,
        arbitrary: fc.tuple(fc.constant('tear' as const), fc.nat(1000), fc.integer({ min: 1, max: 8 }), fc.nat(9000)),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(Step, { maxLength: 25 }), async (steps) => {
        const at = mkdtempSync(join(root, 'run-'));
        let log = await ForeignLog.open(at, NEW, options());
        const rows: ForeignProgress[] = [NEW];
        const stored: { epoch: number; seq: number; text: string }[] = [];
        let epoch = 0;
        let next = 0;
        const make = (from: number, count: number, bytes: number, of: number): EmittedEvent[] =>
          Array.from({ length: count }, (_, n) => {
            const text = `<${of}.${from + n}>`.padEnd(bytes, '.');
            return event(from + n, { response: text, ...(n % 3 === 0 ? { stream: 'stderr' } : {}) });
          });
        const expectTaken = (events: readonly EmittedEvent[], outcomes: readonly EventOutcome[]): void => {
          let expected = next;
          let hasFailed = false;
          for (const [i, { seq, output }] of events.entries()) {
            const status = hasFailed
              ? 'earlier_refused'
              : (seq ?? 0) < expected
                ? 'duplicate'
                : seq === expected
                  ? 'stored'
                  : 'seq_gap';
            expect(codes(outcomes)[i]).toBe(status);
            if (status === 'seq_gap') hasFailed = true;
            if (status !== 'stored') continue;
            stored.push({ epoch, seq: expected, text: Buffer.from(output).toString() });
            expected += 1;
          }
          next = expected;
        };
        try {
          for (const [what, x, count, bytes] of steps) {
            if (what === 'send') {
              const events = make(Math.max(0, next - x), count, bytes, epoch);
              expectTaken(events, log.take(events, producer(epoch), 1));
              rows.push(log.progress);
            } else if (what === 'stale') {
              if (epoch === 0 || stored.at(-1)?.epoch !== epoch) continue;
              const outcomes = log.take(make(0, count, bytes, epoch - 1), producer(epoch - 1), 1);
              expect(codes(outcomes)[0]).toBe('stale_epoch');
            } else if (what === 'epoch') {
              epoch += 1;
              next = 0;
              const events = make(0, count, bytes, epoch);
              expectTaken(events, log.take(events, producer(epoch), 1));
              rows.push(log.progress);
            } else {
              const { place } = log.head;
              if (what === 'tear') {
                const before = statSync(fileOf(at)).size;
                const file = fileOf(at);
                const events = make(next, count, bytes, epoch);
                log.take(events, producer(epoch), 1);
                const [size, isSame] = [statSync(fileOf(at)).size, fileOf(at) === file];
                const begin = isSame ? before : 0;
                truncateSync(fileOf(at), begin + Math.floor(((size - begin) * x) / 1001));
              }
              const row = rows[Math.floor((rows.length * (what === 'kill' ? x : 50)) / 101)] ?? NEW;
              log = await ForeignLog.open(at, row, options());
              // What was never answered may be there or not: the emitter sends it again and finds out.
              expect(log.head.place).toBeGreaterThanOrEqual(place);
              if (what === 'tear') {
                const events = make(next, count, bytes, epoch);
                const known = log.progress.epoch === epoch ? log.progress.nextSeq - next : 0;
                const outcomes = codes(log.take(events, producer(epoch), 1));
                expect(outcomes).toEqual(events.map((_, i) => (i < known ? 'duplicate' : 'stored')));
                for (const { seq, output } of events) {
                  stored.push({ epoch, seq: seq ?? -1, text: Buffer.from(output).toString() });
                }
                next += count;
                rows.push(log.progress);
              }
            }
          }
          const { output, marks } = await read(at);
          expect(output).toBe(stored.map(({ text }) => text).join(''));
          expect(marks.map(({ epoch: e, seq }) => [e, seq])).toEqual(stored.map((one) => [one.epoch, one.seq]));
          expect(marks.map(({ bytes }) => bytes)).toEqual(stored.map(({ text }) => text.length));
        } finally {
          await log.close();
          rmSync(at, { recursive: true });
        }
      }),
      { numRuns: count({ quick: 8, all: 60 }) },
    );
  });

  it('T33: a batch torn at any byte is there up to a whole event, and is whole once it is sent again', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    log.take([event(0, { response: 'before|' })], producer(), 1);
    const row = log.progress;
    const { head } = log;
    const batch = [
      event(1, { response: 'one|', cols: 90, rows: 20 }),
      event(2, {}),
      event(3, { response: 'three|', stream: 'stdout' }),
      event(4, { response: 'four|', is_final: true, exit_code: 0 }),
    ];
    expect(codes(log.take(batch, producer(), 2))).toEqual(['stored', 'stored', 'stored', 'stored']);
    await log.close();
    const whole = await read();
    const size = statSync(fileOf(dir)).size;
    const tornAt = async (length: number): Promise<void> => {
      const at = join(root, `torn-${length}`);
      cpSync(dir, at, { recursive: true });
      truncateSync(fileOf(at), length);
      const torn = await ForeignLog.open(at, length % 2 === 0 ? row : NEW, options());
      const { nextSeq } = torn.progress;
      const outcomes = codes(torn.take(batch, producer(), 3));
      expect(outcomes).toEqual(batch.map(({ seq }) => ((seq ?? 0) < nextSeq ? 'duplicate' : 'stored')));
      expect(torn.end).toEqual({ exitCode: 0, signal: null, isLost: false });
      await torn.close();
      const { output, marks, entries } = await read(at);
      expect(output).toBe('before|one|three|four|');
      expect(marks).toEqual(whole.marks);
      expect(entries.map(({ kind }) => kind)).toEqual(whole.entries.map(({ kind }) => kind));
      rmSync(at, { recursive: true });
    };
    const every = Array.from({ length: size - SEGMENT_HEADER_BYTES - head.place + 1 }, (_, n) => size - n);
    const lengths = [...someOf(every, 40)];
    // Each waits for the disk: a few at once.
    const some = async (): Promise<void> => {
      for (let length = lengths.pop(); length !== undefined; length = lengths.pop()) await tornAt(length);
    };
    await Promise.all(Array.from({ length: 16 }, some));
  });

  it('T33: a log whose making was cut short at any byte is made anew', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    await log.close();
    for (let length = -1; length <= SEGMENT_HEADER_BYTES; length += 1) {
      const at = join(root, 'begun');
      cpSync(dir, at, { recursive: true });
      if (length < 0) rmSync(fileOf(at));
      else truncateSync(fileOf(at), length);
      const begun = await ForeignLog.open(at, NEW, options());
      expect(codes(begun.take([event(0, { response: 'x' })], producer(), 1))).toEqual(['stored']);
      await begun.close();
      expect((await read(at)).output).toBe('x');
      rmSync(at, { recursive: true });
    }
  });

  it('goes on where a power loss cut the log, and asks nobody for what was answered', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    log.take([event(0, { response: 'kept|' })], producer(2), 1);
    const size = statSync(fileOf(dir)).size;
    log.take([event(1, { response: 'gone|' })], producer(2), 1);
    const row = log.progress;
    await log.close();
    truncateSync(fileOf(dir), size);
    const again = await ForeignLog.open(dir, row, options());
    expect(codes(again.take([event(1)], producer(2), 1))).toEqual(['duplicate']);
    expect(codes(again.take([event(2, { response: 'on' })], producer(2), 1))).toEqual(['stored']);
    await again.close();
    expect((await read()).output).toBe('kept|on');
  });

  it('says that a log is damaged when it is not there any more', async () => {
    await expect(ForeignLog.open(dir, { ...NEW, place: 500, offset: 3 }, options())).rejects.toMatchObject({
      code: 'log_damaged',
    });
  });

  it('a damaged mark costs no output, and what was answered since is known', async () => {
    const log = await ForeignLog.open(dir, NEW, options());
    log.take([event(0, { response: 'one|' })], producer(), 1);
    const before = statSync(fileOf(dir)).size;
    log.take([event(1, { response: 'two|' })], producer(), 1);
    log.take([event(2, { response: 'three|' })], producer(), 1);
    await log.close();
    for (const last of [false, true]) {
      const at = join(root, `damaged-${last}`);
      cpSync(dir, at, { recursive: true });
      const bytes = readFileSync(fileOf(at));
      // In the mark of event 1, behind its output; or of all that comes behind that as well.
      bytes.fill(0x55, before + 40 + 4 + 40 + 5, last ? bytes.length : before + 40 + 4 + 40 + 15);
      writeFileSync(fileOf(at), bytes);
      const again = await ForeignLog.open(at, NEW, options());
      expect(again.progress.nextSeq).toBe(last ? 1 : 3);
      await again.close();
      const reader = SegmentReader.open(join(at, 'log'));
      const { entries } = await readAll(reader, beginningOf(reader));
      reader.close();
      const stored = entries.filter(({ kind }) => isOutput(kind)).map(({ bytes: b }) => Buffer.from(b).toString());
      expect(stored.join('')).toBe(last ? 'one|' : 'one|two|three|');
    }
  });

  it('drops the oldest segments, and opens again all the same', async () => {
    const rules = options({ segmentBytes: 64 * 1024, retainBytes: 256 * 1024 });
    const log = await ForeignLog.open(dir, NEW, rules);
    for (let seq = 0; seq < 400; seq += 1)
      log.take([event(seq, { response: `${seq}|`.padEnd(10_000) })], producer(), 1);
    expect(log.oldest.offset).toBeGreaterThan(1_000_000);
    expect(log.head.place - log.oldest.place).toBeLessThanOrEqual(256 * 1024);
    expect(log.head.place - log.oldest.place).toBeGreaterThan(128 * 1024);
    const { progress, oldest } = log;
    await log.close();
    const again = await ForeignLog.open(dir, NEW, rules);
    expect(again.progress).toEqual({ ...progress, heardAt: NEW.heardAt });
    expect(again.oldest).toEqual(oldest);
    expect(codes(again.take([event(399), event(400)], producer(), 2))).toEqual(['duplicate', 'stored']);
    again.trimTo(64 * 1024);
    expect(again.oldest.place).toBeGreaterThan(oldest.place);
    await again.close();
  });

  const canMount = ((): boolean => {
    const probe = mkdtempSync(join(tmpdir(), 'binnacle-mount-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' });
      execFileSync('umount', [probe]);
      return true;
    } catch {
      return false;
    } finally {
      rmSync(probe, { recursive: true });
    }
  })();
  it.skipIf(!canMount)('T17: on a full disk a batch is refused whole, and is taken when there is room', async () => {
    const disk = join(root, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
    try {
      const ballast = join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(300_000));
      const log = await ForeignLog.open(disk, NEW, options());
      const batchOf = (n: number): EmittedEvent[] =>
        [0, 1].map((half) => event(2 * n + half, { response: `${n}.${half}|`.padEnd(6000) }));
      let full = 0;
      for (let n = 0; n < 30; n += 1) {
        for (let isTaken = false; !isTaken; ) {
          const { head, progress } = log;
          const outcomes = codes(log.take(batchOf(n), producer(), n));
          isTaken = outcomes.every((outcome) => outcome === 'stored');
          if (isTaken) continue;
          expect(outcomes).toEqual(['disk_full', 'disk_full']);
          expect(log.head).toEqual(head);
          expect(log.progress).toEqual(progress);
          full += 1;
          // What is there is known all the same.
          expect(codes(log.take(batchOf(n - 1), producer(), n))).toEqual(['duplicate', 'duplicate']);
          if (full === 3) rmSync(ballast);
        }
      }
      expect(full).toBeGreaterThanOrEqual(3);
      await log.close();
      const { output, marks } = await read(disk);
      expect(output).toBe(
        Array.from({ length: 30 }, (_, n) => `${n}.0|`.padEnd(6000) + `${n}.1|`.padEnd(6000)).join(''),
      );
      expect(marks.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, seq) => seq));
      // A log that cannot even begin is made when there is room.
      const other = join(disk, 'other');
      mkdirSync(other);
      mkdirSync(join(other, 'log'));
      const begun = await ForeignLog.open(other, NEW, options());
      await begun.close();
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});
