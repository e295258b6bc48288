import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_EVENT_CHARS } from './asciicast-lines.ts';
import { CastWriter } from './asciicast-writer.ts';
import { entriesOf, linesOf, readCast, session, T0, type WrittenEntry, written } from './recording.fixture.ts';

const cast = (
  all: readonly WrittenEntry[],
  options: { input?: boolean; idleLimit?: number } = {},
  of = session,
): string => written(new CastWriter(of, { input: false, ...options }), all);
const outputOf = (file: string): string =>
  linesOf(file)
    .slice(1)
    .map((event) => event as [number, string, string])
    .filter(([, code]) => code === 'o')
    .map(([, , data]) => data)
    .join('');

const begin: WrittenEntry = { kind: 'resize', body: { cols: 100, rows: 30 } };

describe('a cast of a session', () => {
  it('has a header with the first size, and the times between what happened', () => {
    const file = cast([
      begin,
      { kind: 'tty', body: 'a', at: 250 },
      { kind: 'resize', body: { cols: 90, rows: 20 }, at: 1000 },
      { kind: 'tty', body: 'b', at: 1000 },
      { kind: 'exit', body: { exitCode: 2, signal: null }, at: 1500 },
      { kind: 'closed', body: { reason: 'eof' }, at: 1500 },
    ]);
    expect(linesOf(file)).toEqual([
      {
        version: 3,
        term: { cols: 100, rows: 30, type: 'xterm-256color' },
        timestamp: T0 / 1000,
        command: 'make all',
        title: 'build',
      },
      [0.25, 'o', 'a'],
      [0.75, 'r', '90x20'],
      [0, 'o', 'b'],
      [0.5, 'x', '2'],
    ]);
  });

  it('tells the exit behind the last output, though children wrote on', () => {
    const file = cast([
      { kind: 'exit', body: { exitCode: null, signal: 'SIGKILL' }, at: 5 },
      { kind: 'tty', body: 'late', at: 10 },
      { kind: 'closed', body: { reason: 'eof' }, at: 11 },
    ]);
    expect(linesOf(file).slice(1)).toEqual([
      [0.01, 'o', 'late'],
      [0, 'x', '137'],
    ]);
  });

  it('makes up no exit where nobody saw one', () => {
    const file = cast([{ kind: 'closed', body: { reason: 'lost' }, at: 5 }]);
    expect(linesOf(file).slice(1)).toEqual([[0.005, 'm', expect.stringContaining('nobody saw the end')]]);
    const running = written(new CastWriter(session, { input: false }), [begin, { kind: 'tty', body: 'a' }], false);
    expect(running).not.toContain('"x"');
  });

  it('shows line feeds of pipes as a terminal would, wherever they are cut', () => {
    const entries = ['one\ntwo\r', '\nthree\n\n', '\nfour'].map((body) => ({ kind: 'stdout', body }) as const);
    const file = cast(entries, {}, { ...session, mode: 'pipe' });
    expect(outputOf(file)).toBe('one\r\ntwo\r\nthree\r\n\r\n\r\nfour');
    expect(linesOf(file)[0]).toMatchObject({ term: { cols: 80, rows: 24 } });
  });

  it('leaves line feeds of a terminal as they are', () => {
    expect(outputOf(cast([{ kind: 'tty', body: 'a\nb\r\n' }]))).toBe('a\nb\r\n');
  });

  it('keeps the characters of stdout and stderr apart where they are cut', () => {
    const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)];
    const file = cast([
      { kind: 'stdout', body: first },
      { kind: 'stderr', body: 'err' },
      { kind: 'stdout', body: second },
    ]);
    expect(outputOf(file)).toBe('erré');
  });

  it('puts U+FFFD for half of a character at the end, and in front of a gap', () => {
    const half = Buffer.from('é').subarray(0, 1);
    expect(outputOf(cast([{ kind: 'tty', body: half }]))).toBe('\ufffd');
    const writer = new CastWriter(session, { input: false });
    const [entry] = entriesOf([{ kind: 'tty', body: half }]);
    const text = writer.entry(entry as never) + writer.gap({ from: 1, to: 50, reason: 'damaged' }) + writer.end(true);
    expect(linesOf(text).slice(1)).toEqual([
      [0, 'o', '\ufffd'],
      [0, 'm', '49 bytes of output are missing here (the log is damaged)'],
    ]);
  });

  it('begins with how much is missing, where retention took the beginning', () => {
    const writer = new CastWriter(session, { input: false });
    const [, late] = entriesOf([
      { kind: 'tty', body: 'x'.repeat(40) },
      { kind: 'tty', body: 'late', at: 86_400_000 },
    ]);
    const text = writer.gap({ from: 0, to: 40, reason: 'retention' }) + writer.entry(late as never) + writer.end(true);
    expect(linesOf(text)).toEqual([
      expect.objectContaining({ timestamp: T0 / 1000 + 86_400, term: expect.objectContaining({ cols: 80 }) }),
      [0, 'm', '40 bytes of output are missing here (not kept any more)'],
      [0, 'o', 'late'],
    ]);
  });

  it('marks runs, fresh shells, signals and what emitters lost', () => {
    const run = { command: 'make\ntest', exitCode: 1, outcome: 'exited' };
    const file = cast([
      { kind: 'event', body: { type: 'run_started', run } },
      { kind: 'event', body: { type: 'run_ended', run } },
      { kind: 'event', body: { type: 'run_ended', run: { ...run, outcome: 'timed_out' } } },
      { kind: 'event', body: { type: 'session_reset', exitCode: 0 } },
      { kind: 'signal', body: { signal: 'SIGINT', by: 'ada' } },
      { kind: 'event', body: { traffic: { bytes: 3, lost_bytes: 7, command: 'ls' } } },
      { kind: 'event', body: { traffic: { bytes: 3 } } },
      { kind: 'event', body: { type: 'of tomorrow' } },
    ]);
    const labels = linesOf(file).slice(1) as [number, string, string][];
    expect(labels.map(([, code, label]) => `${code} ${label}`)).toEqual([
      'm $ make test',
      'm ended: make test (exit code 1)',
      'm ended: make test (timed_out)',
      'm a fresh shell',
      'm signal SIGINT',
      'm 7 bytes of output are missing here (its emitter had no room)',
      'm $ ls',
    ]);
  });

  it('tells of input only if asked', () => {
    const entries: WrittenEntry[] = [
      { kind: 'input', body: { by: 'ada', bytes: 3 } },
      { kind: 'input', body: { by: 'recording', bytes: 2, text: 'ls' } },
    ];
    expect(linesOf(cast(entries)).slice(1)).toEqual([]);
    expect(linesOf(cast(entries, { input: true })).slice(1)).toEqual([
      [0, 'm', 'input: 3 bytes from ada'],
      [0, 'i', 'ls'],
    ]);
  });

  it('escapes everything that is not printable, and is valid JSON', () => {
    const text = '\x00\x1b[1m\x7f\u0085\u009b\u202e\u2028\ufeff"\\';
    const file = cast([{ kind: 'tty', body: text }]);
    expect(outputOf(file)).toBe(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(file).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ufeff]/);
  });

  it('writes the limit of pauses into the header and leaves the times as they are', () => {
    const file = cast([begin, { kind: 'tty', body: 'a', at: 60_000 }], { idleLimit: 1.5 });
    expect(linesOf(file)).toEqual([expect.objectContaining({ idle_time_limit: 1.5 }), [60, 'o', 'a']]);
  });

  it('never loses time to rounding, and never goes back', () => {
    const times = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(times, (all) => {
        const file = cast([begin, ...all.map((at) => ({ kind: 'tty', body: 'x', at }) as const)]);
        let sum = 0;
        let latest = 0;
        (linesOf(file).slice(1) as [number, string, string][]).forEach(([interval], i) => {
          expect(interval).toBeGreaterThanOrEqual(0);
          sum += interval;
          latest = Math.max(latest, all[i] ?? 0);
          expect(Math.abs(sum * 1000 - latest)).toBeLessThan(1);
        });
      }),
    );
  });

  it('has all output, decoded as one text, wherever it was cut', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((t) => Buffer.from(t)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 12 }), (parts) => {
        const file = cast(parts.map((body) => ({ kind: 'tty', body })));
        expect(outputOf(file)).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts)));
      }),
      { numRuns: 500 },
    );
  });

  it('cuts what is too large for an entry of a log between two characters', () => {
    const text = `x${'😀'.repeat(MAX_EVENT_CHARS)}`;
    const parts = (linesOf(cast([{ kind: 'tty', body: text }])).slice(1) as [number, string, string][]).map(
      ([, , part]) => part,
    );
    expect(parts.join('') === text).toBe(true);
    expect(parts.length).toBe(3);
    for (const part of parts) expect(Buffer.from(part).toString() === part).toBe(true);
  });

  it('is read again as it was written', () => {
    const { header, events } = readCast(
      cast([begin, { kind: 'tty', body: 'a', at: 20 }, { kind: 'exit', body: { exitCode: 0, signal: null }, at: 90 }]),
    );
    expect(header).toMatchObject({
      cols: 100,
      rows: 30,
      recording: { title: 'build', command: 'make all', timestamp: T0 / 1000 },
    });
    expect(events).toEqual([
      { time: 20, code: 'o', text: 'a' },
      { time: 90, code: 'x', exitCode: 0 },
    ]);
  });
});
