import { isOutput, parseEpoch } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairScheduler } from '../../base/fair-scheduler.ts';
import type { Gap } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';
import { MemoryLog } from '../../log/memory-log.fixture.ts';
import { type Codec, LogStream, type LogStreamParts } from './log-stream.ts';
import type { Frame, Wire } from './wire.ts';

const START = { epoch: parseEpoch('stream1'), place: 0, offset: 0 };
const PAGE_BYTES = 100;
const openLog = () => new MemoryLog({ epoch: START.epoch, pageBytes: PAGE_BYTES, segmentBytes: 300 });

/** A wire that is full behind `room` frames, until `drain`. */
class BoundedWire implements Wire {
  readonly frames: Frame[] = [];
  room = Number.POSITIVE_INFINITY;

  get isFull(): boolean {
    return this.room <= 0;
  }

  write(frame: Frame, sent?: () => void): void {
    this.frames.push(frame);
    this.room -= 1;
    sent?.();
  }

  get text(): string {
    return this.frames.join('');
  }
}

/** Output as text, one frame per entry; the log ends with `closed`. */
class PlainCodec implements Codec {
  isOver = false;
  pages = 0;
  readonly isLazy: boolean;

  constructor(isLazy = false) {
    this.isLazy = isLazy;
  }

  *page(page: Page): Generator<string> {
    this.pages += 1;
    for (const { kind, bytes } of page.entries) {
      if (isOutput(kind)) yield Buffer.from(bytes).toString();
      else if (kind === 'closed') this.isOver = true;
    }
  }

  gap({ from, to }: Gap): readonly [string] {
    return [`<${from}-${to}>`];
  }

  ending(): readonly [string] {
    return ['.'];
  }
}

/** Has frames at the head, and none of them. */
class IdleCodec extends PlainCodec {
  caughtUp(): readonly Frame[] {
    return [];
  }
}

function open(log: MemoryLog, codec: Codec, wire: Wire, more: Partial<LogStreamParts> = {}) {
  const ends: unknown[] = [];
  const stream = new LogStream({ log, at: START, codec, wire, over: (error) => ends.push(error), ...more });
  return { stream, ends };
}

const append = (log: MemoryLog, text: string): void => void log.append('tty', Buffer.from(text), 0);

describe('a stream of a log', () => {
  it('sends what is there, then what comes, then the ending, once', () => {
    const log = openLog();
    const wire = new BoundedWire();
    append(log, 'a');
    const { stream, ends } = open(log, new PlainCodec(), wire);
    stream.start();
    append(log, 'b');
    log.append('closed', Buffer.from('{}'), 0);
    append(log, 'lost: behind the end');
    stream.resume();
    stream.finish();
    expect(wire.text).toBe('ab.');
    expect(ends).toEqual([undefined]);
  });

  it('slow-alone: reads no page while its wire is full, and goes on where it was', () => {
    const log = openLog();
    const wire = new BoundedWire();
    const codec = new PlainCodec();
    for (let n = 0; n < 20; n += 1) append(log, `${n},`.padEnd(60, 'x'));
    wire.room = 1;
    const { stream } = open(log, codec, wire);
    stream.start();
    expect(codec.pages).toBe(1);
    stream.resume();
    expect(codec.pages).toBe(1);
    wire.room = Number.POSITIVE_INFINITY;
    stream.resume();
    expect(wire.text.match(/\d+,/g)).toEqual(Array.from({ length: 20 }, (_, n) => `${n},`));
  });

  it('of a lazy codec makes no frame without room', () => {
    const log = openLog();
    const wire = new BoundedWire();
    log.appendAll(
      ['a', 'b', 'c'].flatMap((text) => [
        { kind: 'stdout' as const, bytes: Buffer.from(text) },
        { kind: 'stderr' as const, bytes: Buffer.from(text.toUpperCase()) },
      ]),
      0,
    );
    wire.room = 2;
    const { stream } = open(log, new PlainCodec(true), wire);
    stream.start();
    expect(wire.text).toBe('aA');
    stream.finish();
    expect(wire.text).toBe('aA');
    wire.room = Number.POSITIVE_INFINITY;
    stream.resume();
    // The page that was read has three entries.
    expect(wire.text).toBe('aAb.');
  });

  it('reports what retention removed in its place', () => {
    const log = openLog();
    const wire = new BoundedWire();
    for (let n = 0; n < 10; n += 1) append(log, 'x'.repeat(100));
    log.trim({ maxBytes: 300 });
    open(log, new PlainCodec(), wire).stream.start();
    const { offset } = log.oldest;
    expect(offset).toBeGreaterThan(0);
    expect(wire.text).toBe(`<0-${offset}>${'x'.repeat(1000 - offset)}`);
  });

  it('hands an error of its codec to its owner, and sends nothing behind it', () => {
    const log = openLog();
    const wire = new BoundedWire();
    const codec = new PlainCodec();
    const failing: Codec = { ...codec, isOver: false, page: () => bad(), gap: () => bad(), ending: () => ['.'] };
    const bad = (): never => {
      throw new Error('cannot be written');
    };
    append(log, 'a');
    const { stream, ends } = open(log, failing, wire);
    stream.start();
    append(log, 'b');
    stream.resume();
    expect(ends).toEqual([new Error('cannot be written')]);
    expect(wire.text).toBe('');
  });

  it('does not read a grown log before its owner allows it', () => {
    const log = openLog();
    const wire = new BoundedWire();
    let isAllowed = false;
    const { stream } = open(log, new PlainCodec(), wire, { mayRead: () => isAllowed });
    stream.start();
    append(log, 'a');
    expect(wire.text).toBe('');
    isAllowed = true;
    stream.resume();
    expect(wire.text).toBe('a');
  });

  it('makes its frames in slots of a scheduler, by turns with others', async () => {
    const log = openLog();
    const scheduler = new FairScheduler();
    const order: string[] = [];
    const kinds = ['stdout', 'stderr'] as const;
    for (let n = 0; n < 6; n += 1) log.append(kinds[n % 2] ?? 'stdout', Buffer.from(`${n}`), 0);
    log.append('closed', Buffer.from('{}'), 0);
    const streams = ['one', 'two'].map((by) => {
      const wire: Wire = { isFull: false, write: (frame) => order.push(`${by} ${frame}`) };
      return new Promise<void>((resolve) => {
        open(log, new PlainCodec(true), wire, {
          schedule: (slice) => scheduler.schedule(by, slice),
          over: () => resolve(),
        }).stream.start();
      });
    });
    await Promise.all(streams);
    expect(order.slice(0, 4)).toEqual(['one 0', 'two 0', 'one 1', 'two 1']);
    expect(order).toHaveLength(14);
  });

  it('tells its owner that all is written, also behind a slot and behind a full wire', async () => {
    const log = openLog();
    append(log, 'a');
    const scheduler = new FairScheduler();
    await new Promise<void>((resolve) => {
      const schedule = (slice: () => void) => scheduler.schedule('one', slice);
      open(log, new IdleCodec(true), new BoundedWire(), { schedule, caughtUp: resolve }).stream.start();
    });
    const wire = new BoundedWire();
    wire.room = 1;
    let caughtUp = 0;
    const { stream } = open(openLog(), new IdleCodec(true), wire, {
      caughtUp: () => {
        caughtUp += 1;
      },
    });
    stream.push(['opening']);
    stream.start();
    wire.room = 1;
    stream.resume();
    expect([wire.text, stream.hasWaiting, caughtUp]).toEqual(['opening', false, 1]);
  });

  it('sends each byte once and in order, whatever the room, the growth and the retention', () => {
    const step = fc.oneof(
      fc.record({ append: fc.string({ minLength: 1, maxLength: 150, unit: 'grapheme-ascii' }) }),
      fc.record({ room: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ trim: fc.integer({ min: 300, max: 900 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, isLazy) => {
        const log = openLog();
        const wire = new BoundedWire();
        wire.room = 1;
        const { stream, ends } = open(log, new PlainCodec(isLazy), wire);
        stream.start();
        let all = '';
        for (const action of steps) {
          if ('append' in action) {
            const text = action.append.replace(/[<>]/g, '_');
            all += text;
            append(log, text);
          } else if ('room' in action) {
            wire.room = action.room;
            stream.resume();
          } else log.trim({ maxBytes: action.trim });
        }
        log.append('closed', Buffer.from('{}'), 0);
        wire.room = Number.POSITIVE_INFINITY;
        stream.resume();
        expect(ends).toEqual([undefined]);
        let rest = all;
        // A gap stands for exactly the bytes between its two offsets.
        for (const [, text = '', from, to] of wire.text.matchAll(/([^<>]*)(?:<(\d+)-(\d+)>|\.$)/g)) {
          expect(rest.startsWith(text)).toBe(true);
          rest = rest.slice(text.length + (from === undefined ? 0 : Number(to) - Number(from)));
        }
        expect(rest).toBe('');
      }),
    );
  });
});
