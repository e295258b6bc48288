import { BinnacleError } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CastReader } from './asciicast-reader.ts';
import { readCast } from './recording.fixture.ts';

const V3 = '{"version": 3, "term": {"cols": 80, "rows": 24}}\n';
const V2 = '{"version": 2, "width": 100, "height": 30, "timestamp": 1504467315, "env": {"TERM": "screen"}}\n';

function failure(file: string | Uint8Array): BinnacleError {
  try {
    readCast(file);
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It was taken.');
}

describe('a recording that is read', () => {
  it('of version 3 counts from the event before', () => {
    const { header, events } = readCast(
      `${V3}# a comment\n[0.5, "o", "a"]\n\n[0.25, "r", "90x20"]\n[1, "m", ""]\n[0, "x", "7"]\n`,
    );
    expect(header).toMatchObject({ cols: 80, rows: 24, recording: { type: 'recording', version: 3 } });
    expect(events).toEqual([
      { time: 500, code: 'o', text: 'a' },
      { time: 750, code: 'r', cols: 90, rows: 20 },
      { time: 1750, code: 'm', text: '' },
      { time: 1750, code: 'x', exitCode: 7 },
    ]);
  });

  it('of version 2 counts from the beginning', () => {
    const { header, events } = readCast(`${V2}[0.5, "o", "a"]\n[0.75, "i", "b"]\n`);
    expect(header).toMatchObject({
      cols: 100,
      rows: 30,
      recording: { version: 2, timestamp: 1504467315, term: { type: 'screen' } },
    });
    expect(events.map(({ time }) => time)).toEqual([500, 750]);
  });

  it.each([
    ['in one line', 0],
    ['in many lines', 2],
  ])('of version 1 is one piece of JSON, %s', (_, indent) => {
    const file = {
      version: 1,
      width: 80,
      height: 24,
      duration: 1.5,
      command: '/bin/zsh',
      title: '',
      env: {},
      stdout: [
        [0.25, 'a'],
        [1.25, 'b'],
      ],
    };
    const { header, events } = readCast(JSON.stringify(file, null, indent), [7]);
    expect(header).toMatchObject({ cols: 80, duration: 1500, recording: { version: 1, command: '/bin/zsh' } });
    expect(events).toEqual([
      { time: 250, code: 'o', text: 'a' },
      { time: 1500, code: 'o', text: 'b' },
    ]);
  });

  it('is the same in whatever pieces it comes', () => {
    const file = `${V3}[0.1, "o", "é😀"]\n[0.1, "o", "${'x'.repeat(300)}"]\r\n[0.2, "x", "0"]`;
    const whole = readCast(file).events;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        expect(readCast(file, sizes).events).toEqual(whole);
      }),
    );
  });

  it('skips and counts what it does not know, and keeps its time', () => {
    const { events, reader } = readCast(
      `${V3}[1, "z", "?"]\n[1, "r", "0x5"]\n[1, "r", "99999x2"]\n[1, "x", "abc"]\n[1, "o", 5]\n[1, "o", ""]\n[1, "o", "a"]\n`,
    );
    expect(events).toEqual([{ time: 7000, code: 'o', text: 'a' }]);
    expect(reader.counts).toEqual({ skipped: 6, timesMended: 0, isCut: false });
  });

  it('mends times that go backwards', () => {
    const three = readCast(`${V3}[5, "o", "a"]\n[-3, "o", "b"]\n[1, "o", "c"]\n`);
    expect(three.events.map(({ time }) => time)).toEqual([5000, 5000, 6000]);
    expect(three.reader.counts.timesMended).toBe(1);
    const two = readCast(`${V2}[5, "o", "a"]\n[3, "o", "b"]\n[6, "o", "c"]\n`);
    expect(two.events.map(({ time }) => time)).toEqual([5000, 5000, 6000]);
  });

  it('says at which line it makes no sense', () => {
    const cases: [string, number, string][] = [
      ['', 1, 'empty'],
      ['hello\n', 1, 'header'],
      ['{"version": 4}\n', 1, 'version'],
      ['{"version": "3"}\n', 1, 'version'],
      ['{"version": 3}\n', 1, 'term'],
      ['{"version": 3, "term": {"cols": 1e9, "rows": 24}}\n', 1, 'term.cols'],
      ['{"version": 3, "term": {"cols": -1, "rows": 24}}\n', 1, 'term.cols'],
      ['{"version": 3, "term": {"cols": 80.5, "rows": 24}}\n', 1, 'term.cols'],
      ['{"version": 3, "term": {"cols": "80", "rows": 24}}\n', 1, 'term.cols'],
      ['{ nonsense\n', 1, 'JSON'],
      [`${V3}[1, "o", "a"]\n[1, "o", \n[1, "o", "b"]\n`, 3, 'JSON'],
      [`${V3}{"o": 1}\n`, 2, 'event'],
      [`${V3}[1]\n`, 2, 'event'],
      [`${V3}["1", "o", "a"]\n`, 2, 'event'],
      [`${V3}[NaN, "o", "a"]\n`, 2, 'JSON'],
      [`${V3}[null, "o", "a"]\n`, 2, 'event'],
      [`${V3}[1e308, "o", "a"]\n`, 2, 'ten years'],
      [`${V3}[-1e308, "o", "a"]\n`, 2, 'ten years'],
      [`${V3}${'['.repeat(5000)}\n`, 2, 'deep'],
      ['{"version": 1, "width": 80, "height": 24}', 1, 'stdout'],
      ['{"version": 1, "width": 80, "height": 24, "stdout": [5]}', 1, 'frame'],
      ['{"version": 1, "width": 80, "height": 24, "stdout": [["0", "a"]]}', 1, 'event'],
    ];
    for (const [file, line, why] of cases) {
      const error = failure(file);
      expect([error.code, error.details?.line, error.message]).toEqual([
        'bad_recording',
        line,
        expect.stringContaining(why),
      ]);
    }
    expect(failure(Buffer.from([0x7b, 0xff, 0x0a])).message).toContain('UTF-8');
    expect(failure(Buffer.concat([Buffer.from(V3), Buffer.from([0x5b, 0xff, 0x0a])])).message).toContain('line 2');
  });

  it('leaves out what is wrong in the header and takes the rest', () => {
    const { header } = readCast(
      '{"version":3,"term":{"cols":0,"rows":0,"type":7,"theme":{"fg":"red"}},"timestamp":-5,"title":9,"env":[1],"tags":["a"],"idle_time_limit":"x","new":{}}\n',
    );
    expect(header).toEqual({
      cols: 80,
      rows: 24,
      duration: undefined,
      recording: { type: 'recording', version: 3, tags: ['a'] },
    });
  });

  it('may end in the middle of a line, as it does when its recorder was killed', () => {
    const { events, reader } = readCast(`${V3}[1, "o", "a"]\n[1, "o", "b`);
    expect(events.length).toBe(1);
    expect(reader.counts.isCut).toBe(true);
    // Half of a character, too.
    const cut = Buffer.from(`${V3}[1, "o", "é`).subarray(0, -1);
    expect(readCast(cut).reader.counts.isCut).toBe(true);
    // A whole line that is no event is one that is wrong.
    expect(failure(`${V3}[1, 2, 3]`).details).toMatchObject({ line: 2 });
  });

  it('may be a header alone', () => {
    expect(readCast(V3.trim()).header).toMatchObject({ cols: 80 });
    expect(readCast(V3).events).toEqual([]);
  });

  it('is refused when a line, or a header, does not end', () => {
    const reader = new CastReader();
    reader.push(Buffer.from(V3));
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    expect(() => {
      for (let i = 0; i < 10; i++) reader.push(chunk);
    }).toThrow(expect.objectContaining({ code: 'bad_recording', details: expect.objectContaining({ line: 2 }) }));
    const headless = new CastReader();
    expect(() => {
      for (let i = 0; i < 40; i++) headless.push(Buffer.concat([Buffer.from('{'), chunk]));
    }).toThrow(expect.objectContaining({ code: 'bad_recording' }));
  });

  it('is refused before it takes the parser long', () => {
    const names = Array.from({ length: 200_000 }, (_, i) => `"${i}":0`).join();
    const cases = [
      `{"version":3,"term":{"cols":80,"rows":24},${names}}\n`,
      `{"version":1,"width":80,"height":24,"stdout":[],${names}}`,
      `${V3}[1,"o",{${names}}]\n`,
      `{"version":3,"term":{"cols":80,"rows":24},"title":"${'x'.repeat(200_000)}"}\n`,
    ];
    for (const file of cases) expect(failure(file).code).toBe('bad_recording');
    // Colons and quotes in texts are none.
    expect(readCast(`${V3}[1,"o","${':\\\\\\":'.repeat(20_000)}"]\n`).events.length).toBe(1);
  });

  it('takes no file for one, and never fails otherwise', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc
        .constantFrom(V3, V2, '[1, "o", "a"]\n', '\n', '{', '}', '[', '"', '{"version": 1, "stdout": [')
        .map((t) => Buffer.from(t)),
      fc.json({ maxDepth: 3 }).map((t) => Buffer.from(`${t}\n`)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (parts, size) => {
        try {
          const { events } = readCast(Buffer.concat(parts), [size]);
          for (const [i, { time }] of events.entries()) expect(time).toBeGreaterThanOrEqual(events[i - 1]?.time ?? 0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_recording' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
