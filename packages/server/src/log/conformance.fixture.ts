// A test suite of the promises of every log. Each implementation runs it.

import { BinnacleError, type Code, type EntryKind, isOutput, type Position } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Entry, everyMs, type LogReader, type LogWriter, type NewEntry, type Reading } from './log.ts';

/** A log under test. */
export interface LogUnderTest {
  readonly writer: LogWriter;
  readonly reader: LogReader;
  /** Makes the reader learn of the writer's head and oldest entry. */
  readonly reportHead: () => void;
  readonly end: () => Promise<void>;
}

/** How much of a log is read. */
export interface Thoroughness {
  /** Offsets from one read to the next. */
  readonly step: number;
  /** Random logs. */
  readonly runs: number;
}

const WHOLE: Thoroughness = { step: 1, runs: 40 };

/** Options of every log under test. They are so small that a few entries cross every page and segment border. */
export const CONFORMANCE = { pageBytes: 1024, segmentBytes: 8192, headroom: 16 } as const;

/** Reads from a position up to the head. */
export async function readAll(reader: LogReader, from: Position): Promise<{ entries: Entry[]; gaps: Reading[] }> {
  const entries: Entry[] = [];
  const gaps: Reading[] = [];
  for (let at = from; ; ) {
    const reading = await reader.read(at);
    if (reading.kind === 'head') return { entries, gaps };
    if (reading.kind === 'gap') {
      expect(reading.from).toBe(at.offset);
      expect(reading.to).toBe(reading.next.offset);
      gaps.push(reading);
      at = reading.next;
      continue;
    }
    expect(reading.page.from.place).toBeGreaterThanOrEqual(at.place);
    expect(reading.page.next.place).toBeGreaterThan(at.place);
    expect(reading.page.entries.length).toBeGreaterThan(0);
    entries.push(...reading.page.entries);
    at = reading.page.next;
  }
}

/** Returns the output bytes of entries, which must be in order and without a hole. */
export function outputOf(entries: readonly Entry[], from: number): Buffer {
  let offset = from;
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    expect(entry.offset).toBe(offset);
    if (!isOutput(entry.kind)) continue;
    parts.push(entry.bytes);
    offset += entry.bytes.length;
  }
  return Buffer.concat(parts);
}

export const beginningOf = (log: LogReader): Position => ({ epoch: log.epoch, ...log.oldest });

async function codeOf(act: () => unknown): Promise<Code | undefined> {
  try {
    await act();
  } catch (cause) {
    if (cause instanceof BinnacleError) return cause.code;
    throw cause;
  }
  return undefined;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

export function describeLog(
  name: string,
  make: () => Promise<LogUnderTest>,
  { step, runs }: Thoroughness = WHOLE,
): void {
  describe(`a log: ${name}`, () => {
    const open: LogUnderTest[] = [];
    const start = async (): Promise<LogUnderTest> => {
      const log = await make();
      open.push(log);
      return log;
    };
    afterEach(async () => {
      for (const log of open.splice(0)) await log.end();
    });

    it('begins empty, and counts places and output bytes', async () => {
      const { writer, reader, reportHead } = await start();
      expect(reader.head).toEqual({ place: 0, offset: 0 });
      expect(await reader.read(beginningOf(reader))).toEqual({ kind: 'head' });
      const head = writer.append('tty', Buffer.from('hello'), 5);
      const behind = writer.append('event', Buffer.from('{}'), 6);
      reportHead();
      expect(head.offset).toBe(5);
      expect(behind.offset).toBe(5);
      expect(behind.place).toBeGreaterThan(head.place);
      expect(reader.head).toEqual(behind);
      expect(writer.head).toEqual(behind);
    });

    it('gives back kinds, times and bytes, and joins neighbours of one output kind only', async () => {
      const { writer, reader, reportHead } = await start();
      const appended: [EntryKind, string][] = [
        ['stdout', 'ab'],
        ['stdout', 'cd'],
        ['stderr', 'ef'],
        ['event', '{"a":1}'],
        ['event', '{"b":2}'],
        ['stdout', 'g'],
        ['exit', '{}'],
      ];
      const heads = appended.map(([kind, bytes], i) => writer.append(kind, Buffer.from(bytes), 100.5 + i));
      reportHead();
      const { entries } = await readAll(reader, beginningOf(reader));
      expect(entries.map(({ kind, bytes, time, offset }) => [kind, text(bytes), time, offset])).toEqual([
        ['stdout', 'abcd', 100.5, 0],
        ['stderr', 'ef', 102.5, 4],
        ['event', '{"a":1}', 103.5, 6],
        ['event', '{"b":2}', 104.5, 6],
        ['stdout', 'g', 105.5, 6],
        ['exit', '{}', 106.5, 7],
      ]);
      expect(entries.map((entry) => entry.next)).toEqual([1, 2, 3, 4, 5, 6].map((i) => heads[i]?.place));
      for (const { bytes } of entries) expect(bytes.byteOffset).toBeGreaterThanOrEqual(CONFORMANCE.headroom);
    });

    it('is read from every offset, inside entries too, exactly', async () => {
      const { writer, reader, reportHead } = await start();
      const whole = Buffer.alloc(600);
      for (let at = 0; at < whole.length; at += 60) {
        for (let i = at; i < at + 60; i += 1) whole[i] = i % 251;
        writer.append(at % 120 === 0 ? 'stdout' : 'stderr', whole.subarray(at, at + 60), at);
        writer.append('event', Buffer.from('{}'), at);
      }
      reportHead();
      for (let offset = 0; offset <= whole.length; offset += step) {
        const at = await reader.locate(offset);
        expect(at.offset).toBe(offset);
        const { entries, gaps } = await readAll(reader, at);
        expect(gaps).toEqual([]);
        expect(outputOf(entries, offset).equals(whole.subarray(offset))).toBe(true);
      }
      // At the head's offset: the position before the entries that are not output, so that a reader with all bytes
      // still gets the exit.
      const { entries } = await readAll(reader, await reader.locate(whole.length));
      expect(entries.map((entry) => entry.kind)).toEqual(['event']);
    });

    it('cuts pages at entries, and readers from different places arrive at the same pages', async () => {
      const { writer, reader, reportHead } = await start();
      for (let i = 0; i < 100; i += 1) writer.append('tty', Buffer.alloc(97, i), i);
      reportHead();
      const ends = async (from: Position): Promise<number[]> => {
        const places: number[] = [];
        for (let at = from; ; ) {
          const reading = await reader.read(at);
          if (reading.kind !== 'page') return places;
          places.push(reading.page.next.place);
          at = reading.page.next;
        }
      };
      const early = await ends(beginningOf(reader));
      const late = await ends(await reader.locate(1500));
      expect(early.length).toBeGreaterThan(10);
      expect(early.slice(-late.length)).toEqual(late);
    });

    it('goes on in an entry that is larger than a page', async () => {
      const { writer, reader, reportHead } = await start();
      const large = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 253));
      writer.append('tty', Buffer.from('a'), 1);
      writer.append('tty', large, 2);
      writer.append('tty', Buffer.from('z'), 3);
      reportHead();
      const { entries } = await readAll(reader, await reader.locate(40_000));
      expect(outputOf(entries, 40_000).equals(Buffer.concat([large.subarray(39_999), Buffer.from('z')]))).toBe(true);
    });

    it('takes an offset beyond the first of entries that a page joined', async () => {
      const { writer, reader, reportHead } = await start();
      for (const bytes of ['abc', 'def', 'ghi']) writer.append('tty', Buffer.from(bytes), 1);
      reportHead();
      const { entries } = await readAll(reader, { epoch: reader.epoch, place: 0, offset: 7 });
      expect(outputOf(entries, 7).toString()).toBe('hi');
    });

    it('makes what belongs to a page once', async () => {
      const { writer, reader, reportHead } = await start();
      writer.append('tty', Buffer.from('x'), 1);
      reportHead();
      const reading = await reader.read(beginningOf(reader));
      if (reading.kind !== 'page') throw new Error(reading.kind);
      const key = Symbol('encoded');
      let made = 0;
      const make = (): number => ++made;
      expect([reading.page.once(key, make), reading.page.once(key, make)]).toEqual([1, 1]);
      expect(reading.page.once(Symbol('other'), make)).toBe(2);
    });

    it('calls a waiter in the same turn when the head is beyond already', async () => {
      const { writer, reader, reportHead } = await start();
      writer.append('tty', Buffer.from('x'), 1);
      reportHead();
      let woken = 0;
      reader.wait(0, () => {
        woken += 1;
      });
      expect(woken).toBe(1);
    });

    it('wakes waiters once when it grows, but none that was cancelled, and loses no wake-up', async () => {
      const { writer, reader, reportHead } = await start();
      const woken: string[] = [];
      reader.wait(0, () => woken.push('first'));
      const cancel = reader.wait(0, () => woken.push('cancelled'));
      reader.wait(0, () => {
        woken.push('again');
        reader.wait(reader.head.place, () => woken.push('later'));
      });
      cancel();
      expect(woken).toEqual([]);
      writer.append('tty', Buffer.from('x'), 1);
      reportHead();
      expect(woken).toEqual(['first', 'again']);
      reportHead();
      expect(woken).toEqual(['first', 'again']);
      writer.append('tty', Buffer.from('y'), 1);
      reportHead();
      expect(woken).toEqual(['first', 'again', 'later']);
    });

    it('wakes a waiter with a pace for so many bytes, or after so long, once', async () => {
      const { writer, reader, reportHead } = await start();
      const woken: string[] = [];
      const grow = (): void => {
        writer.append('tty', Buffer.alloc(50), 1);
        reportHead();
      };
      reader.wait(0, () => woken.push('eager'));
      reader.wait(0, () => woken.push('bytes'), { atLeast: 150, maxDelayMs: 3_600_000 });
      grow();
      const cancel = reader.wait(0, () => woken.push('cancelled'), everyMs(5));
      reader.wait(0, () => woken.push('time'), everyMs(20));
      expect(woken).toEqual(['eager']);
      cancel();
      grow();
      expect(woken).toEqual(['eager', 'bytes']);
      await expect.poll(() => woken).toEqual(['eager', 'bytes', 'time']);
      grow();
      expect(woken).toHaveLength(3);
    });

    it('lets no waiter who throws keep the others asleep', async () => {
      const { writer, reader, reportHead } = await start();
      let woken = 0;
      reader.wait(0, () => {
        throw new Error('one viewer fails');
      });
      reader.wait(0, () => {
        woken += 1;
      });
      expect(() => {
        writer.append('tty', Buffer.from('x'), 1);
        reportHead();
      }).toThrow('one viewer fails');
      expect(woken).toBe(1);
    });

    it('refuses positions of another epoch, ahead of the head, and beside an entry', async () => {
      const { writer, reader, reportHead } = await start();
      writer.append('tty', Buffer.from('hello'), 1);
      const { place } = writer.append('event', Buffer.from('{}'), 1);
      writer.append('tty', Buffer.from('world'), 1);
      reportHead();
      const { epoch, head } = reader;
      const read = (at: Position) => codeOf(() => reader.read(at));
      expect(await read({ epoch: 'zz' as Position['epoch'], place: 0, offset: 0 })).toBe('wrong_epoch');
      expect(await read({ epoch, place: head.place + 1, offset: 5 })).toBe('offset_ahead');
      expect(await read({ epoch, place: 0, offset: head.offset + 1 })).toBe('offset_ahead');
      expect(await read({ epoch, place: head.place, offset: 3 })).toBe('bad_position');
      expect(await read({ epoch, place: place - 1, offset: 5 })).toBe('bad_position');
      expect(await read({ epoch, place: 7, offset: 0 })).toBe('bad_position');
      expect(await read({ epoch, place, offset: 0 })).toBe('bad_position');
      expect(await codeOf(() => reader.locate(head.offset + 1))).toBe('offset_ahead');
      expect(await codeOf(() => reader.locate(-1))).toBe('bad_offset');
      expect(await codeOf(() => reader.locate(1.5))).toBe('bad_offset');
    });

    it('finds the first entry at or after a time, even when the clock was set back', async () => {
      const { writer, reader, reportHead } = await start();
      const times = Array.from({ length: 200 }, (_, i) => (i < 120 ? 1000 + i * 10 : 1500 + (i - 120) * 20));
      const offsets = times.map((time) => writer.append('tty', Buffer.alloc(150, 7), time).offset - 150);
      reportHead();
      for (const time of [0, 1000, 1001, 1499, 1500, 2189, 2190, 2191, 2500, 3080]) {
        const first = times.findIndex((other) => other >= time);
        expect((await reader.locateTime(time)).offset).toBe(offsets[first]);
      }
      expect(await reader.locateTime(9999)).toEqual({ epoch: reader.epoch, ...reader.head });
    });

    it('answers with the gap, its numbers and where to go on, when retention took what is asked for', async () => {
      const { writer, reader, reportHead } = await start();
      const start0 = beginningOf(reader);
      for (let i = 0; i < 300; i += 1) writer.append('tty', Buffer.alloc(100, i), 1000 + i);
      reportHead();
      writer.trim({ maxBytes: 10_000 });
      reportHead();
      expect(writer.oldest.place).toBeGreaterThan(0);
      expect(writer.head.place - writer.oldest.place).toBeGreaterThanOrEqual(10_000);
      expect(reader.oldest).toEqual(writer.oldest);
      const next = { epoch: reader.epoch, ...reader.oldest };
      const gap = { kind: 'gap', reason: 'retention', from: 0, to: reader.oldest.offset, next };
      expect(await reader.read(start0)).toEqual(gap);
      expect(await codeOf(() => reader.locate(0))).toBe('gap');
      const { entries } = await readAll(reader, next);
      expect(outputOf(entries, next.offset).length).toBe(30_000 - next.offset);
      expect((await reader.locateTime(0)).place).toBe(next.place);
    });

    it('drops by age what is older, in whole segments, and never the one that is written to', async () => {
      const { writer, reader, reportHead } = await start();
      for (let i = 0; i < 300; i += 1) writer.append('tty', Buffer.alloc(100, i), 1000 + i);
      writer.trim({ olderThan: 1000 });
      expect(writer.oldest.place).toBe(0);
      writer.trim({ olderThan: 1150 });
      reportHead();
      const { entries } = await readAll(reader, beginningOf(reader));
      expect(entries[0]?.time).toBeGreaterThan(1000);
      expect(entries[0]?.time).toBeLessThan(1150);
      writer.trim({ olderThan: 99_999, maxBytes: 0 });
      reportHead();
      expect(writer.oldest.place).toBeLessThan(writer.head.place);
      expect((await readAll(reader, beginningOf(reader))).gaps).toEqual([]);
    });

    it('gives exactly what follows, or says what is gone, while retention runs during the read', async () => {
      const { writer, reader, reportHead } = await start();
      const whole: Buffer[] = [];
      const add = (count: number): void => {
        for (let i = 0; i < count; i += 1) {
          const bytes = Buffer.alloc(200, whole.length % 256);
          whole.push(bytes);
          writer.append('tty', bytes, whole.length);
        }
        reportHead();
      };
      add(200);
      const all = (): Buffer => Buffer.concat(whole);
      let at = beginningOf(reader);
      let gaps = 0;
      for (let i = 0; i < 400; i += 1) {
        const reading = await reader.read(at);
        if (reading.kind === 'head') break;
        if (reading.kind === 'gap') {
          gaps += 1;
          at = reading.next;
        } else {
          const bytes = outputOf(reading.page.entries, at.offset);
          expect(bytes.equals(all().subarray(at.offset, at.offset + bytes.length))).toBe(true);
          at = reading.page.next;
        }
        if (i % 10 === 0 && i < 100) {
          add(40);
          writer.trim({ maxBytes: 20_000 });
        }
      }
      expect(gaps).toBeGreaterThan(0);
      expect(at.offset).toBe(all().length);
    });

    it('appends several entries as it appends one after the other, and wakes who waits behind all of them', async () => {
      const { writer, reader, reportHead } = await start();
      const woken: number[] = [];
      reader.wait(0, () => woken.push(reader.head.place));
      const entries = Array.from({ length: 40 }, (_, n): NewEntry => {
        return { kind: n % 3 === 2 ? 'event' : 'tty', bytes: Buffer.from(`${n} ${'x'.repeat(n * 7)}`) };
      });
      for (let from = 0; from < entries.length; from += 4) {
        const batch = entries.slice(from, from + 4);
        expect(writer.appendAll(batch, from)).toEqual(writer.head);
        reportHead();
      }
      const output = entries.filter(({ kind }) => kind === 'tty').map(({ bytes }) => bytes);
      const found = await readAll(reader, beginningOf(reader));
      expect(outputOf(found.entries, 0)).toEqual(Buffer.concat(output));
      expect(found.entries.filter(({ kind }) => kind === 'event')).toHaveLength(13);
      expect(woken).toHaveLength(1);
    });

    it('takes back entries at its end that nobody was told of, and goes on from there', async () => {
      const { writer, reader, reportHead } = await start();
      writer.append('tty', Buffer.from('kept '), 1);
      const { head } = writer;
      writer.appendAll([{ kind: 'tty', bytes: Buffer.alloc(500, 'x') }], 2);
      writer.append('event', Buffer.from('{}'), 3);
      writer.cut(head);
      expect(writer.head).toEqual(head);
      writer.append('tty', Buffer.from('and more'), 4);
      reportHead();
      const { entries } = await readAll(reader, beginningOf(reader));
      expect(outputOf(entries, 0).toString()).toBe('kept and more');
      expect(entries.every(({ kind }) => kind === 'tty')).toBe(true);
    });

    it('is synced up to what was appended before', async () => {
      const { writer } = await start();
      const head = writer.append('tty', Buffer.from('x'), 1);
      const [one, two] = await Promise.all([writer.sync(), writer.sync()]);
      expect(one.place).toBeGreaterThanOrEqual(head.place);
      expect(two.place).toBeGreaterThanOrEqual(head.place);
      expect(writer.synced).toEqual(head);
    });

    it('exact-resume: random appends read at random places give exactly the bytes', async () => {
      const kinds = fc.constantFrom<EntryKind>('tty', 'stdout', 'stderr', 'event', 'resize');
      const append = fc.tuple(kinds, fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 5000 })));
      await fc.assert(
        fc.asyncProperty(
          fc.array(append, { maxLength: 60 }),
          fc.array(fc.nat(), { maxLength: 8 }),
          async (list, joins) => {
            const { writer, reader, reportHead, end } = await make();
            try {
              const output: Buffer[] = [];
              const rest: string[] = [];
              list.forEach(([kind, length], i) => {
                const bytes = Buffer.from(Array.from({ length }, (_, j) => (i * 31 + j * 7) % 256));
                writer.append(kind, bytes, i);
                if (isOutput(kind)) output.push(bytes);
                else rest.push(bytes.toString('hex'));
              });
              reportHead();
              const whole = Buffer.concat(output);
              const { entries } = await readAll(reader, beginningOf(reader));
              expect(outputOf(entries, 0).equals(whole)).toBe(true);
              const others = entries.filter(({ kind }) => !isOutput(kind));
              expect(others.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(rest);
              for (const join of joins) {
                const offset = join % (whole.length + 1);
                const from = await reader.locate(offset);
                const read = await readAll(reader, from);
                expect(outputOf(read.entries, offset).equals(whole.subarray(offset))).toBe(true);
              }
            } finally {
              await end();
            }
          },
        ),
        { numRuns: runs },
      );
    });
  });
}
