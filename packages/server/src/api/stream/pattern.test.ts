import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../../test/support/count.ts';
import { FairScheduler } from '../../base/fair-scheduler.ts';
import { compilePattern, OVERLAP, Seeker } from './pattern.ts';

/** Time for counterexamples; a slow machine tries fewer. */
const INTERRUPT_MS = 10_000;
const never = new AbortController().signal;
const seekerOf = (pattern: string): Seeker => new Seeker(compilePattern(pattern), new FairScheduler(), 'me');

/** Whether it is found in the whole text, fed in pieces. */
async function find(pattern: string, text: string, pieces: readonly number[] = []): Promise<boolean> {
  const seeker = seekerOf(pattern);
  let from = 0;
  for (const to of [...pieces, text.length]) {
    await seeker.feed(text.slice(from, to), never);
    from = to;
  }
  return seeker.isFoundAtEnd;
}

const cutsOf = (text: string, every: number): number[] =>
  Array.from({ length: Math.ceil(text.length / every) - 1 }, (_, i) => (i + 1) * every);

function isPossible(source: string): boolean {
  try {
    compilePattern(source);
    return true;
  } catch {
    return false; // Too large; another test covers the error.
  }
}

/** Patterns in the part of the language that both know, as text. */
const pattern = fc.letrec<{ all: string; one: string }>((tie) => ({
  all: fc.array(tie('one'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  one: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      'a',
      'b',
      '\\n',
      '.',
      '\\d',
      '\\w',
      '\\s',
      '\\b',
      '\\B',
      '^',
      '$',
      '[ab]',
      '[^a]',
      '[\\d-]',
      '[a-c1]',
    ),
    fc
      .tuple(tie('all'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?', '+?', '{0}'))
      .map(([inner, count]) => `(?:${inner})${count}`),
    fc.tuple(tie('all'), tie('all')).map(([left, right]) => `(${left}|${right})`),
  ),
})).all;
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n', '-', '_'), maxLength: 12 });

describe('a pattern', () => {
  it('is found where the language finds it, however the text comes', async () => {
    await fc.assert(
      fc.asyncProperty(pattern, text, fc.array(fc.nat(12), { maxLength: 3 }), async (source, sample, cuts) => {
        fc.pre(isPossible(source));
        const pieces = cuts.map((cut) => Math.min(cut, sample.length)).sort((a, b) => a - b);
        expect(await find(source, sample, pieces)).toBe(new RegExp(source, 'mu').test(sample));
      }),
      { numRuns: count({ quick: 300, all: 2000 }), interruptAfterTimeLimit: INTERRUPT_MS },
    );
  });

  it('ignores case where the pattern says so, and knows what a person writes', async () => {
    for (const [source, sample, isThere] of [
      ['(?i)error|FAILED', 'Build Failed', true],
      ['error|FAILED', 'Build failed', false],
      ['(?i)[a-c]ß', 'Bß', true],
      ['^\\$ $', 'out\n$ ', true],
      ['\\[\\d+/\\d+\\] done\\.', 'x [12/12] done.', true],
      ['\\x41\\u00e9', 'Aé', true],
      ['(?<name>x)y', 'xy', true],
      ['\\\\u0041', '\\u0041', true],
      ['\\x{1F600}\\pL', '😀é', true],
      ['(?s)a.b', 'a\nb', true],
      ['a{,3}', 'a{,3}', true],
      ['[]x]', ']', true],
      ['😀+!', '😀😀!', true],
      ['', '', true],
      ['.', '\n', false],
    ] as const) {
      expect({ source, found: await find(source, sample) }).toEqual({ source, found: isThere });
    }
  });

  it('is found where lines begin and end, and not where the text was cut', async () => {
    for (const [source, pieces, isThere] of [
      ['^b', ['a', 'b'], false],
      ['a$', ['a', 'b'], false],
      ['a\\b', ['a', 'b'], false],
      ['^$', ['a\n', 'b'], false],
      ['^$', ['a\n', '\nb'], true],
      ['^b$', ['a\n', 'b', '\nc'], true],
      ['a\nb', ['a', '\n', 'bc'], true],
    ] as const) {
      const seeker = seekerOf(source);
      for (const piece of pieces) await seeker.feed(piece, never);
      expect({ source, pieces, found: seeker.isFoundAtEnd }).toEqual({ source, pieces, found: isThere });
    }
  });

  it('is found in a line that is not over where that is all there is', async () => {
    expect(await seekerOf('> $').feed('out\n> ', never)).toBe(false);
    expect(await seekerOf('> $').feed('out\n> ', never, () => true)).toBe(true);
    expect(await seekerOf('> $').feed('out\n> \n', never)).toBe(true);
  });

  it('is found anywhere in a lot of text, and over as many characters as are stored', async () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i}\n`).join('');
    for (const before of [lines(3000), 'a'.repeat(3 * OVERLAP), `${'é '.repeat(OVERLAP)}\n`]) {
      for (const size of [0, 700, OVERLAP - 20]) {
        for (const cut of [99, OVERLAP, OVERLAP + 1, 100_000]) {
          const text = `${before}BEGIN${'.'.repeat(size)}END\n${lines(2000)}`;
          const seeker = seekerOf('BEGIN(?s:.*)END');
          let found = false;
          for (let at = 0; at < text.length && !found; at += cut)
            found = await seeker.feed(text.slice(at, at + cut), never);
          expect({ size, cut, found }).toEqual({ size, cut, found: true });
        }
      }
    }
  });

  it('is not found at the edge of a part of a long line', async () => {
    const long = 'ab'.repeat(3 * OVERLAP);
    for (const [source, isThere] of [
      ['b$', false],
      ['a$', false],
      // Begun before the stored text.
      ['\\b[ab]+!', false],
      ['^[ab]{1,9}!', false],
      ['\\bb', false],
      ['b\\b!', true],
      ['a\\b', false],
      ['!$', true],
      ['^c$', true],
    ] as const) {
      for (const cut of [OVERLAP - 1, 1000, 100_000]) {
        const text = `${long}!\nc`;
        const seeker = seekerOf(source);
        for (let at = 0; at < text.length; at += cut) await seeker.feed(text.slice(at, at + cut), never);
        expect({ source, cut, found: seeker.isFoundAtEnd }).toEqual({ source, cut, found: isThere });
      }
    }
  });

  it('holds a bounded part of a text without end, so that what is longer is missed', async () => {
    const seeker = seekerOf('BEGIN(?s:.*)END');
    await seeker.feed(`BEGIN${'\n'.repeat(4 * OVERLAP)}END\n`, never);
    expect(seeker.isFoundAtEnd).toBe(false);
  });

  it('takes time with its length and the text alone, and lets others run, however many patterns are searched at once', async () => {
    let seed = 1;
    const noise = Array.from({ length: 20_000 }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return (seed >> 16) & 1 ? 'a' : 'b';
    }).join('');
    const scheduler = new FairScheduler();
    const seekers = ['(a+)+$', '^(a+)+$', '(a*)*#', '(?:a?){80}[ab]{80}c', 'a[ab]{0,120}[cd]', '[ab]*a[ab]{200}[cd]']
      .map(compilePattern)
      .flatMap((pattern) => ['one', 'one', 'two'].map((by) => new Seeker(pattern, scheduler, by)));
    let longest = 0;
    // Of the processor: others on the machine may have it meanwhile.
    const spent = (): number => process.cpuUsage().user / 1000;
    let last = spent();
    let isOver = false;
    const measure = (): void => {
      const now = spent();
      longest = Math.max(longest, now - last);
      last = now;
      if (!isOver) setImmediate(measure);
    };
    measure();
    const found = await Promise.all(seekers.map((seeker) => seeker.feed(`${noise}!\n`, never)));
    isOver = true;
    expect(found.some(Boolean)).toBe(false);
    // One piece of one of them; all at once would be some seconds.
    expect(longest).toBeLessThan(500);
  }, 60_000);

  it('holds less of a text, and searches less at once, the larger it is', () => {
    expect(compilePattern('BEGIN(?s:.*)END').overlap).toBe(OVERLAP);
    const { overlap } = compilePattern('a[ab]{0,120}[cd]');
    expect(overlap).toBeLessThan(OVERLAP / 4);
    // Words alone are found however long they may be.
    const word = 'w'.repeat(240);
    expect(compilePattern(word).overlap).toBeGreaterThan(word.length);
  });

  it('that is large is found over as many characters as are stored, and wherever the text is cut', async () => {
    const source = 'BEGIN[^#]{0,100}END';
    const { overlap } = compilePattern(source);
    for (const before of ['', 'x'.repeat(overlap - 3), 'x'.repeat(5 * overlap), `${'x'.repeat(700)}\n`.repeat(5)]) {
      for (const cut of [7, overlap, 100_000]) {
        const text = `${before}BEGIN${'.'.repeat(90)}END${'y'.repeat(overlap)}`;
        expect({ cut, found: await find(source, text, cutsOf(text, cut)) }).toEqual({ cut, found: true });
      }
    }
  });

  it('ends a search that nobody waits for', async () => {
    const left = new AbortController();
    left.abort();
    const seeker = seekerOf('x');
    expect(await seeker.feed('x', left.signal)).toBe(false);
  });

  it('that is none, or is too large, is refused by code', () => {
    const empty = `${'('.repeat(3)}${'){500}'.repeat(3)}`;
    for (const wrong of [
      '(',
      ')',
      '[',
      '[a',
      '[z-a]',
      '*',
      'a{3,2}',
      'a{251}',
      'a{1001}',
      '(a{100}){100}',
      '\\',
      '\\1',
      '\\q',
      '\\Aa',
      'a\\z',
      '(?i-m)^a',
      '\\x4',
      '(?=a)',
      '(?<!a)',
      'a++',
      'x'.repeat(501),
      empty,
      // Each takes milliseconds to compile.
      `(?i)${'\\pL'.repeat(5)}`,
      `(?i)${'[\\x{80}-\\x{10ffff}]'.repeat(5)}`,
      `(?i:${'[\\u0080-\\uffff]'.repeat(5)})`,
      `(?si)[${'é-퟿'.repeat(100)}]`,
      '\\PL'.repeat(17),
    ]) {
      expect(() => compilePattern(wrong), wrong).toThrowError(expect.objectContaining({ code: 'bad_pattern' }));
    }
  });

  it('whatever is written, compiles or is refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab(){}[]|*+?\\^$.-,0129:<=!i'), maxLength: 40 }), (source) => {
        try {
          compilePattern(source);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_pattern' });
        }
      }),
      { numRuns: count({ quick: 500, all: 5000 }), interruptAfterTimeLimit: INTERRUPT_MS },
    );
  });
});
