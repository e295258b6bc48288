import { isOutput, parseEpoch, parsePosition } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { Cursor } from '../cursor/cursor.ts';
import type { LogReader } from '../log/log.ts';
import { MemoryLog } from '../log/memory-log.fixture.ts';
import { type Recorded, recordAll, type Step } from './corpus.fixture.ts';
import { Emulator, type ScreenSize } from './emulator.ts';
import { LogWalk } from './log-walk.ts';
import { stateOf } from './screen-state.fixture.ts';
import type { RenderedScreen } from './wire.ts';

const ROUNDS = count({ quick: 1, all: 5 });
/** Of one byte of three in `npm test`. */
const EVERY = count({ quick: 3, all: 1 });
const POSITIONS = count({ quick: 6, all: 50 });

let all: Recorded[];
beforeAll(async () => {
  all = await recordAll();
}, 30_000);

/** The same at every run. */
function randomly(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Cut at these offsets of its output. */
function* cut(steps: readonly Step[], at: readonly number[]): Generator<Step | { readonly cutAt: number }> {
  let offset = 0;
  let next = 0;
  for (const step of steps) {
    if (!('bytes' in step)) {
      yield step;
      continue;
    }
    let from = 0;
    while (next < at.length && (at[next] ?? 0) <= offset + step.bytes.length) {
      const to = (at[next] ?? 0) - offset;
      if (to > from) yield { bytes: step.bytes.subarray(from, to) };
      yield { cutAt: at[next] ?? 0 };
      from = to;
      next += 1;
    }
    if (from < step.bytes.length) yield { bytes: step.bytes.subarray(from) };
    offset += step.bytes.length;
  }
}

async function follow(log: LogReader, emulator: Emulator, from: string): Promise<void> {
  const cursor = new Cursor(log, parsePosition(from));
  const output: Uint8Array[] = [];
  // In one piece: the emulator itself loses U+200D where it comes in two.
  const write = (): void => emulator.write(Buffer.concat(output.splice(0)));
  for (;;) {
    const reading = await cursor.next();
    if (reading.kind !== 'page') break;
    for (const { kind, bytes } of reading.page.entries) {
      if (isOutput(kind)) output.push(bytes);
      else if (kind === 'resize') {
        write();
        emulator.resize(JSON.parse(Buffer.from(bytes).toString()) as ScreenSize);
      }
    }
  }
  write();
}

/** Draws at each of the positions, then lets each of what was drawn go on to the end. Returns how many there were. */
async function compare({ name, size, steps }: Recorded, at: readonly number[]): Promise<number> {
  const log = new MemoryLog({ epoch: parseEpoch('screens') });
  const resize = (to: ScreenSize) => log.append('resize', Buffer.from(JSON.stringify(to)), 0);
  resize(size);
  const begin = { epoch: log.epoch, ...log.oldest };
  let walk = LogWalk.begin(begin, size, true);
  const screens: RenderedScreen[] = [];
  const whole = new Emulator(size);
  for (const step of cut(steps, at)) {
    if ('bytes' in step) {
      log.append('tty', step.bytes, 0);
    } else if ('cols' in step) {
      resize(step);
    } else {
      const cursor = new Cursor(log, walk.at);
      while (await walk.step(cursor));
      if (!walk.isRestorable) continue;
      screens.push(walk.render());
      // The walk also continues from a checkpoint.
      if (screens.length % 5 === 0) walk = LogWalk.from(walk.checkpoint());
    }
  }
  // In one piece, as above.
  for (const step of steps) {
    if ('bytes' in step) whole.write(step.bytes);
    else whole.resize(step);
  }
  const expected = stateOf(whole);
  for (const one of screens) {
    const emulator = new Emulator(one);
    emulator.write(Buffer.from(one.data));
    await follow(log, emulator, one.position);
    expect({ from: one.offset, ...stateOf(emulator) }, name).toEqual({ from: one.offset, ...expected });
    emulator.dispose();
  }
  return screens.length;
}

const lengthOf = ({ steps }: Recorded): number =>
  steps.reduce((sum, step) => sum + ('bytes' in step ? step.bytes.length : 0), 0);

describe('screen snapshots', () => {
  it(`give, with what follows them, the same screen as the whole log, at ${POSITIONS} random positions of real programs`, async () => {
    const report: string[] = [];
    for (const [index, recorded] of all.entries()) {
      const random = randomly(index + 7);
      const length = lengthOf(recorded);
      const at = Array.from({ length: POSITIONS }, () => Math.floor(random() * length)).sort((a, b) => a - b);
      const screens = await compare(recorded, at);
      report.push(`${recorded.name}: ${length} bytes, ${screens} of ${POSITIONS}`);
      expect(screens, recorded.name).toBeGreaterThan(POSITIONS * 0.8);
    }
    console.log(report.join('\n'));
  }, 60_000);

  it('do so where the size changes in the midst of them', async () => {
    // Those that are the same at every run. Wide characters in rows that wrap are left out: where such a row becomes
    // narrower, the emulator makes rows that no text makes.
    const same = all.filter(({ name, isLive }) => isLive !== true && name !== 'styles and scripts');
    expect(same.length).toBeGreaterThan(3);
    for (const [index, recorded] of same.entries()) {
      const random = randomly(index + 107);
      const upTo = (most: number): number => Math.floor(random() * most);
      const bytes = Buffer.concat(recorded.steps.flatMap((step) => ('bytes' in step ? [step.bytes] : [])));
      const places = (many: number) => Array.from({ length: many }, () => upTo(bytes.length)).sort((a, b) => a - b);
      for (let round = 0; round < ROUNDS; round++) {
        const steps: Step[] = [];
        let from = 0;
        for (const place of places(4)) {
          steps.push({ bytes: bytes.subarray(from, place) }, { cols: 20 + upTo(90), rows: 5 + upTo(30) });
          from = place;
        }
        await compare({ ...recorded, steps: [...steps, { bytes: bytes.subarray(from) }] }, places(POSITIONS));
      }
    }
  }, 60_000);

  it(`do so at every byte of text full of sequences, or one of ${EVERY}`, async () => {
    const text =
      'a日e\u0301\x1b[31;4mb\x1b]0;t\x07\x1b(0q\x1b(B\x1b[?1049h\x1bP$qm\x1b\\\x1b[2;3r\x1b7x\x1b8\x1b]8;;u\x1b\\l\x1b]8;;\x1b\\\x1b[?1049l\u009b1mz👩‍👩\r\n';
    const bytes = Buffer.from(`${text}${'w'.repeat(30)}${text}`);
    const size = { cols: 20, rows: 5 };
    const recorded = { name: 'text', size, steps: [{ bytes }, { cols: 11, rows: 4 }, { bytes }] };
    await compare(
      recorded,
      Array.from({ length: (2 * bytes.length) / EVERY }, (_, n) => n * EVERY),
    );
  }, 30_000);
});
