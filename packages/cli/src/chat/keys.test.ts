import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChatInput, LINE_BREAK } from './keys.ts';

let readline: Interface;
let input: ChatInput;
let lines: string[];
let takes: string;
let taken: string[];
let atEnter: { line: string; cursor: number }[];

beforeEach(() => {
  lines = [];
  taken = [];
  takes = '';
  atEnter = [];
  input = new ChatInput({
    taken: (key) => {
      if (!takes.includes(key)) return false;
      taken.push(key);
      return true;
    },
    insert: (text) => {
      const typed: { line: string; cursor: number } = readline;
      typed.line = typed.line.slice(0, typed.cursor) + text + typed.line.slice(typed.cursor);
      typed.cursor += text.length;
    },
    entering: () => atEnter.push({ line: readline.line, cursor: readline.cursor }),
  });
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  readline = createInterface({ input: input.stream, output, terminal: true });
  readline.on('line', (line) => lines.push(line));
});

afterEach(() => readline.close());

const type = (text: string): void => input.push(Buffer.from(text));

describe('keys of a chat', () => {
  it('become a line at Enter, one character at a time or many at once', () => {
    type('h');
    type('i');
    type('\r');
    type('there, you\rand again\r');
    expect(lines).toEqual(['hi', 'there, you', 'and again']);
  });

  it('come to where the cursor is, also when arrows and text come in one piece', () => {
    type('they say\x1b[D\x1b[D\x1b[D\x1b[DXYZ\x1b[H>>\r');
    expect(lines).toEqual(['>>theyXYZ say']);
  });

  it('say that Enter comes with the cursor at the end of the line', () => {
    type('abc\x1b[D\x1b[D\r');
    expect(atEnter).toEqual([{ line: 'abc', cursor: 3 }]);
    expect(lines).toEqual(['abc']);
  });

  it('of a paste stay one line, whose breaks are seen, and press nothing', () => {
    type('\x1b[200~one\r\ntwo\n\x03three\tx\x1b[201~!');
    expect(lines).toEqual([]);
    type('\r');
    expect(lines).toEqual([`one${LINE_BREAK}two${LINE_BREAK}three    x!`]);
  });

  it('are the same however a paste is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 60 }), { maxLength: 6 }), (cuts) => {
        lines = [];
        const bytes = Buffer.from('a\x1b[200~ü\nö\x1b[201~b日\r');
        let from = 0;
        // A mark that is cut behind its Escape is a key of its own, as it is for any terminal program.
        for (const cut of [...cuts.filter((at) => at !== 2), bytes.length].sort((a, b) => a - b)) {
          const to = Math.min(cut, bytes.length);
          input.push(bytes.subarray(from, to));
          from = to;
        }
        expect(lines).toEqual([`aü${LINE_BREAK}öb日`]);
      }),
    );
  });

  it('are taken when they answer, one at a time', () => {
    takes = 'yn';
    type('y');
    expect(taken).toEqual(['y']);
    type('yes\r');
    expect(taken).toEqual(['y']);
    expect(lines).toEqual(['yes']);
  });

  it('take a paste of a megabyte in no time', () => {
    const started = performance.now();
    type(`\x1b[200~${'x'.repeat(1_000_000)}\x1b[201~`);
    expect(readline.line).toHaveLength(1_000_000);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
