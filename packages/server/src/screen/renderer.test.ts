import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOutput, parseEpoch, parsePosition } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { Cursor } from '../cursor/cursor.ts';
import { MemoryLog } from '../log/memory-log.fixture.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import { SPACING } from './checkpoint-spacing.ts';
import { Emulator, type ScreenSize } from './emulator.ts';
import { LogWalk } from './log-walk.ts';
import { ScreenDrawer } from './renderer.ts';
import { stateOf } from './screen-state.fixture.ts';
import type { RenderedScreen, ScreenJob } from './wire.ts';

const SIZE = { cols: 60, rows: 12 };
const LATER = { cols: 44, rows: 9 };

let dir: string;
let writer: SegmentWriter;
let drawer: ScreenDrawer;
/** All output, and at which offset its size changed. */
let output: Buffer;
const RESIZED_AT = 3 * 1024 * 1024;

/** The same at every run. */
function randomly(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-drawer-'));
  mkdirSync(join(dir, 'log'));
  writer = SegmentWriter.create(join(dir, 'log'), { segmentBytes: 2 * 1024 * 1024 });
  const random = randomly(5);
  const parts: string[] = [];
  for (let length = 0, n = 0; length < SPACING + 2 * 1024 * 1024; n++) {
    const part =
      `\x1b[3${n % 8}m${n} e\u0301 日本\x1b[1;${n % 60}H\x1b[4mx\x1b[0m${'\t'.repeat(n % 3)}\x1b[${n % 9}A` +
      `${'long '.repeat(n % 40)}\x1b]0;title ${n}\x07\r\n${n % 50 === 0 ? '\x1b[?1049h\x1b[2Jother' : ''}` +
      `${n % 50 === 9 ? '\x1b[?1049l' : ''}${n % 7 === 0 ? '\x1b[?1h' : '\x1b[?1l'}`;
    parts.push(part);
    length += Buffer.byteLength(part);
  }
  output = Buffer.from(parts.join(''));
  writer.append('resize', json(SIZE), 1);
  for (let at = 0; at < output.length; ) {
    const length = Math.min(1 + Math.floor(random() ** 4 * 9000), output.length - at);
    const end = at < RESIZED_AT ? Math.min(RESIZED_AT, at + length) : at + length;
    writer.append('tty', output.subarray(at, end), 2);
    if (end === RESIZED_AT) writer.append('resize', json(LATER), 3);
    at = end;
  }
  drawer = new ScreenDrawer();
}, 30_000);

afterAll(async () => {
  await writer.close();
  rmSync(dir, { recursive: true, force: true });
});

const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

async function drawAt(at: number, more: Partial<ScreenJob> = {}): Promise<RenderedScreen> {
  const { head, oldest } = writer;
  const { screen } = await drawer.draw(
    { id: 'one', dir, head, oldest, size: LATER, withinMs: 60_000, tailBytes: 1024 * 1024, at, ...more },
    true,
  );
  if (screen === undefined) throw new Error('nothing was drawn');
  return screen;
}

const stateIn = (emulator: Emulator): object => {
  const state = stateOf(emulator);
  emulator.dispose();
  return state;
};

/** As one draws who reads everything from the beginning: at each of these offsets, ascending. */
function* expected(offsets: readonly number[]): Generator<object> {
  const emulator = new Emulator(SIZE);
  let from = 0;
  for (const at of offsets) {
    if (from < RESIZED_AT && at >= RESIZED_AT) {
      emulator.write(output.subarray(from, RESIZED_AT));
      emulator.resize(LATER);
      from = RESIZED_AT;
    }
    emulator.write(output.subarray(from, at));
    from = at;
    yield stateOf(emulator);
  }
  emulator.dispose();
}

function restored(screen: RenderedScreen): Emulator {
  const emulator = new Emulator(screen);
  emulator.write(Buffer.from(screen.data));
  return emulator;
}

describe('the screen at an offset', () => {
  const OFFSETS = count({ quick: 12, all: 50 });
  it(`is what all output up to there gives, at ${OFFSETS} offsets in any order`, async () => {
    const random = randomly(11);
    const offsets = [0, 1, RESIZED_AT - 1, RESIZED_AT, RESIZED_AT + 1, output.length];
    while (offsets.length < 6 + OFFSETS) offsets.push(Math.floor(random() * output.length));
    const all: { readonly offset: number; readonly state: object }[] = [];
    for (const at of offsets) {
      const screen = await drawAt(at);
      // Inside a sequence it is that before it: what has only begun shows nothing.
      expect(at - screen.offset).toBeLessThanOrEqual(64);
      expect(screen).toMatchObject({ exact: true, drawnFrom: 0 });
      all.push({ offset: screen.offset, state: stateIn(restored(screen)) });
    }
    all.sort((one, other) => one.offset - other.offset);
    const states = expected(all.map(({ offset }) => offset));
    for (const { offset, state } of all) expect({ offset, ...state }).toEqual({ offset, ...states.next().value });
  }, 60_000);

  it('goes on from there to what the end shows', async () => {
    const at = 2_500_001;
    const screen = await drawAt(at);
    const emulator = restored(screen);
    const reader = SegmentReader.open(join(dir, 'log'), { head: writer.head });
    const cursor = new Cursor(reader, parsePosition(screen.position));
    for (let reading = await cursor.next(); reading.kind === 'page'; reading = await cursor.next()) {
      for (const { kind, bytes } of reading.page.entries) {
        if (isOutput(kind)) emulator.write(bytes);
        else if (kind === 'resize') emulator.resize(JSON.parse(Buffer.from(bytes).toString()) as ScreenSize);
      }
    }
    reader.close();
    // Rows above the screen come with what is drawn up to a thousand; these are the newest in both.
    expect(stateIn(emulator)).toEqual(expected([output.length]).next().value);
  });

  it('is what the end of the output up to there gives where the whole takes too long, and says so', async () => {
    const at = 2_000_000;
    const result = await new ScreenDrawer().draw(
      { id: 'two', dir, head: writer.head, oldest: writer.oldest, size: LATER, withinMs: 0, tailBytes: 1000, at },
      true,
    );
    expect(result.screen).toMatchObject({ exact: false, drawnFrom: at - 1000 });
    expect(result.screen?.offset).toBeLessThanOrEqual(at);
    expect(result.screen?.offset).toBeGreaterThan(at - 1000);
  });

  it('is not waited for where it is seen soon that it would not come in time', async () => {
    // A clock that goes on with each look at it.
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 10;
      return now;
    });
    const { head, oldest } = writer;
    const draw = async (withinMs: number, tailBytes: number) => {
      const began = now;
      const job = { id: 'hope', dir, head, oldest, size: LATER, withinMs, tailBytes, at: 2_000_000 };
      const { screen, reached } = await new ScreenDrawer().draw(job, true);
      return { reached, exact: screen?.exact, spent: now - began };
    };
    try {
      const whole = await draw(100_000, 1000);
      expect(whole).toMatchObject({ exact: true, reached: 2_000_000 });
      expect(await draw(whole.spent * 1.5, 1000)).toEqual(whole);
      const late = await draw(whole.spent / 5, 1000);
      expect(late.exact).toBe(false);
      // In the background nobody waits.
      const stubborn = await draw(whole.spent / 5, 0);
      expect(stubborn.reached).toBeGreaterThan(2 * late.reached);
    } finally {
      clock.mockRestore();
    }
  });

  it('has a short title, however long a one was set', async () => {
    const log = new MemoryLog({ epoch: parseEpoch('title') });
    log.append('tty', Buffer.from(`\x1b]2;${'t'.repeat(5000)}\x07x`), 1);
    const walk = LogWalk.begin({ epoch: log.epoch, ...log.oldest }, SIZE, true);
    await walk.step(new Cursor(log, walk.at));
    expect(walk.render().title).toHaveLength(1000);
    walk.dispose();
  });

  it('does not cost the screen of now the emulator that follows the end', async () => {
    const { head, oldest } = writer;
    const now = { id: 'one', dir, head, oldest, size: LATER, withinMs: 60_000, tailBytes: 0 };
    await drawer.draw(now, true);
    await drawAt(1000);
    // In no time at all: it stands there already.
    const { screen } = await drawer.draw({ ...now, withinMs: 0 }, true);
    expect(screen).toMatchObject({ exact: true, offset: output.length });
  });
});
