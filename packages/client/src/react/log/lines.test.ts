import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Chunk, ChunkLog } from './chunks.ts';
import { LogLines, textOfLines } from './lines.ts';
import { MAX_LINE, PlainText } from './plain-text.ts';
import { textIn } from './selection.ts';
import { windowOf } from './window.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const output = (text: string | Uint8Array, kind: 'tty' | 'stdout' | 'stderr' = 'tty', offset = 0): Chunk => ({
  type: 'output',
  kind,
  offset,
  bytes: typeof text === 'string' ? bytes(text) : text,
  position: 'e.1.1',
});
const gap = (from: number, to: number): Chunk => ({ type: 'gap', from, to, reason: 'retention', position: 'e.1.1' });

function linesOf(chunks: readonly Chunk[], maxLines = 1000, maxBytes = 1 << 20): LogLines {
  const log = new ChunkLog(maxBytes);
  const lines = new LogLines(maxLines);
  for (const chunk of chunks) {
    log.push(chunk);
    lines.read(log.list());
  }
  return lines;
}
const texts = (lines: LogLines): string[] => lines.list().map(({ text }) => text);

describe('chunks', () => {
  it('stay within the bound, however small they are, and an earlier list does not change', () => {
    const log = new ChunkLog(10_000);
    for (let at = 0; at < 20; at += 1) log.push(output('x', 'tty', at));
    const before = log.list();
    expect([before.first, before.end, before.bytes]).toEqual([0, 20, 20]);
    for (let at = 20; at < 1000; at += 1) log.push(output('x', 'tty', at));
    const after = log.list();
    expect(after.length).toBe(Math.floor(10_000 / 257));
    expect(after.bytes + after.droppedBytes).toBe(1000);
    expect([...after].map((chunk) => chunk.type === 'output' && chunk.offset).at(-1)).toBe(999);
    expect([before.first, before.end, before.version]).toEqual([0, 20, 20]);
    // What was let go of is not kept by a list of before.
    expect([...before]).toEqual([]);
    expect([...after.from(998)]).toHaveLength(2);
  });

  it('of which one is larger than the bound: only that one is stored', () => {
    const log = new ChunkLog(100);
    log.push(output('x'.repeat(50)));
    log.push(output('y'.repeat(500)));
    expect(log.list().length).toBe(1);
    expect(log.list().bytes).toBe(500);
    expect(log.costFrom(log.start)).toBe(756);
    expect(log.costFrom(log.end)).toBe(0);
  });
});

describe('lines', () => {
  it('are the same however the output was cut into chunks, characters too', () => {
    const text = 'één\r\n\x1b[31mtwo\x1b[0m\n10%\r20%\x1b[K\n\x1b]0;title\x07three ☃ \u{1f600}\nopen';
    const whole = texts(linesOf([output(text)]));
    expect(whole).toEqual(['één', 'two', '20%', 'three ☃ \u{1f600}', 'open']);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes(text).length })), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes(text).length];
        const parts = at.slice(1).map((end, index) => output(bytes(text).slice(at[index], end)));
        expect(texts(linesOf(parts))).toEqual(whole);
      }),
    );
  });

  it('of stdout and stderr are separate, and a line that was begun is one line whatever comes between', () => {
    const lines = linesOf([output('a', 'stdout'), output('wrong\n', 'stderr'), output('b\n', 'stdout')]);
    expect(lines.list().map(({ kind, text }) => [kind, text])).toEqual([
      ['stdout', 'ab'],
      ['stderr', 'wrong'],
    ]);
  });

  it('that are gone are named in their place, and nothing is glued together over the gap', () => {
    const lines = linesOf([output('half a li'), gap(9, 2057), output('ne\n')]);
    expect(texts(lines)).toEqual(['half a li', '2 KiB of output are no longer kept.', 'ne']);
    expect(textOfLines(lines.list())).toBe('half a li\nne\n');
  });

  it('that came faster than they could be read are named too', () => {
    const log = new ChunkLog(600);
    const lines = new LogLines(100);
    log.push(output('one\n'));
    lines.read(log.list());
    for (const text of ['two\n', 'three\n', 'four\n']) log.push(output(text));
    lines.read(log.list());
    expect(texts(lines)).toEqual(['one', 'Output came faster than it could be shown.', 'three', 'four']);
  });

  it('are at most as many as requested, and keep their numbers', () => {
    const lines = linesOf([output(Array.from({ length: 5000 }, (_, at) => `${at}\n`).join(''))], 100);
    expect(lines.list()).toHaveLength(100);
    expect(lines.list()[0]).toMatchObject({ number: 4900, text: '4900' });
  });

  it('that are endless are cut, and copied as one', () => {
    const text = 'x'.repeat(MAX_LINE * 3 + 5);
    const lines = linesOf([output(text), output('y\n')]);
    expect(lines.list().map((line) => line.isCut)).toEqual([true, true, true, false]);
    expect(textOfLines(lines.list())).toBe(`${text}y\n`);
  });

  it('lose no break and no letter that stand in a sequence: terminals show them', () => {
    expect(texts(linesOf([output('a\u001b[3\n1mb\u001b[3éc\n')]))).toEqual(['a', 'béc']);
  });

  it('have no control of one character, and nothing of what it begins', () => {
    const lines = linesOf([output('a\u009b31mred\u009b0m\u009d0;title\u009c b\u0085\u0080c\n')]);
    expect(texts(lines)).toEqual(['ared bc']);
  });

  it('never hold more than a line of what never ends, be it text or a sequence', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' })),
        fc.constantFrom('\x1b[', '\x1b]0;', '\x1bP', 'x'),
        (parts, begin) => {
          const plain = new PlainText();
          for (const line of plain.write(begin.repeat(50) + '1'.repeat(20_000)))
            expect(line.text.length).toBe(MAX_LINE);
          for (const part of parts) plain.write(part);
          expect(plain.open.length).toBeLessThanOrEqual(MAX_LINE);
          expect(plain.open.replaceAll('\t', '')).not.toMatch(/\p{Cc}/u);
        },
      ),
    );
  });

  it('are copied from the middle of one to the middle of another', () => {
    const lines = linesOf([output('one\ntwo\nthree\n')]).list();
    expect(textIn(lines, { from: { number: 0, column: 1 }, to: { number: 2, column: 2 } })).toBe('ne\ntwo\nth');
    expect(textIn(lines, { from: { number: 1, column: 0 }, to: { number: 1, column: 3 } })).toBe('two');
  });
});

describe('the window', () => {
  it('has what is seen and some beyond, and what is selected while that is not too much', () => {
    const seen = { top: 10_000, height: 500, line: 10 };
    expect(windowOf(5000, seen, undefined)).toEqual({ from: 970, to: 1080 });
    expect(windowOf(5000, seen, { from: 900, to: 905 })).toEqual({ from: 900, to: 1080 });
    expect(windowOf(5000, seen, { from: 0, to: 4999 })).toEqual({ from: 970, to: 1080 });
    expect(windowOf(3, { top: 0, height: 500, line: 0 }, undefined)).toEqual({ from: 0, to: 3 });
    expect(windowOf(0, seen, undefined)).toEqual({ from: 0, to: 0 });
  });
});
