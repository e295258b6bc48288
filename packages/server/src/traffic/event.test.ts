import { BinnacleError } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { namesOf, parseEvent, unknownFields } from './event.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const MIB = 1024 * 1024;
const parse = (event: object, hasProducer = false) => parseEvent({ session_id: 's', ...event }, hasProducer, NOW);

function refused(event: unknown, hasProducer = false): BinnacleError {
  try {
    parseEvent(event, hasProducer, NOW);
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It was taken.');
}

const labelsOf = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, 'v']));
const deep = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

describe('an event of an emitter', () => {
  it.each<[string, string, object | unknown[] | string | number | null]>([
    ['null', 'bad_event', null],
    ['a number', 'bad_event', 7],
    ['text', 'bad_event', 'event'],
    ['a list', 'bad_event', []],
    ['nothing', 'bad_event', {}],
    ['100 000 lists in each other', 'bad_event', deep(100_000) as unknown[]],
    ['a deep field', 'bad_event', { session_id: 's', labels: deep(100_000) }],
    ['a session id that is no text', 'bad_event', { session_id: 7 }],
    ['an empty session id', 'bad_session_id', { session_id: '' }],
    ['a path', 'bad_session_id', { session_id: '../../etc/passwd' }],
    ['a slash', 'bad_session_id', { session_id: 'a/b' }],
    ['a backslash', 'bad_session_id', { session_id: 'a\\b' }],
    ['a dot first', 'bad_session_id', { session_id: '.a' }],
    ['an encoded slash', 'bad_session_id', { session_id: 'a%2fb' }],
    ['a space', 'bad_session_id', { session_id: 'a b' }],
    ['a line feed at its end', 'bad_session_id', { session_id: 'a\n' }],
    ['NUL in an id', 'bad_session_id', { session_id: 'a\0' }],
    ['an id beyond ASCII', 'bad_session_id', { session_id: 'ä' }],
    ['201 characters', 'bad_session_id', { session_id: 'a'.repeat(201) }],
    ['a negative seq', 'bad_event', { session_id: 's', seq: -1 }],
    ['a fraction of a seq', 'bad_event', { session_id: 's', seq: 0.5 }],
    ['a seq beyond 2^53', 'bad_event', { session_id: 's', seq: 2 ** 53 }],
    ['a seq as text', 'bad_event', { session_id: 's', seq: '0' }],
    ['a seq without a producer', 'bad_event', { session_id: 's', seq: 0 }],
    ['a command that is no text', 'bad_event', { session_id: 's', command: ['ls'] }],
    ['a command with NUL', 'bad_event', { session_id: 's', command: 'ls\0' }],
    ['a command with half of a character', 'bad_event', { session_id: 's', command: 'ls \ud800' }],
    ['a command that is too long', 'event_too_large', { session_id: 's', command: 'x'.repeat(64 * 1024 + 1) }],
    ['a command too long as UTF-8', 'event_too_large', { session_id: 's', command: 'ä'.repeat(32 * 1024 + 1) }],
    ['half of a character of output', 'bad_event', { session_id: 's', response: '\udc00' }],
    ['a response that is too long', 'event_too_large', { session_id: 's', response: 'x'.repeat(MIB + 1) }],
    ['a response too long as UTF-8', 'event_too_large', { session_id: 's', response: '€'.repeat(MIB / 2) }],
    ['both forms of output', 'bad_event', { session_id: 's', response: 'x', response_base64: 'eA==' }],
    ['base64 without padding', 'bad_event', { session_id: 's', response_base64: 'eA' }],
    ['base64url', 'bad_event', { session_id: 's', response_base64: '-_-_' }],
    ['base64 with a line feed', 'bad_event', { session_id: 's', response_base64: 'eHh4\n' }],
    ['padding in the middle', 'bad_event', { session_id: 's', response_base64: 'eA==eA==' }],
    [
      'base64 of too much',
      'event_too_large',
      { session_id: 's', response_base64: Buffer.alloc(MIB + 1).toString('base64') },
    ],
    ['base64 of far too much', 'event_too_large', { session_id: 's', response_base64: 'A'.repeat(3 * MIB) }],
    ['an unknown stream', 'bad_event', { session_id: 's', stream: 'stdin' }],
    ['an exit code as text', 'bad_event', { session_id: 's', exit_code: '0' }],
    ['a huge exit code', 'bad_event', { session_id: 's', exit_code: 1e300 }],
    ['a fraction of an exit code', 'bad_event', { session_id: 's', exit_code: 1.5 }],
    ['a signal with ESC', 'bad_event', { session_id: 's', signal: 'SIG\u001b[2J' }],
    ['a signal of two lines', 'bad_event', { session_id: 's', signal: 'SIG\nINT' }],
    ['is_final as a number', 'bad_event', { session_id: 's', is_final: 1 }],
    ['an empty source', 'bad_event', { session_id: 's', source: '' }],
    ['a long source', 'bad_event', { session_id: 's', source: 'x'.repeat(65) }],
    ['a source of two lines', 'bad_event', { session_id: 's', source: 'a\nb' }],
    ['a source with CSI as one character', 'bad_event', { session_id: 's', source: 'a\u009b2J' }],
    ['a source with half of a character', 'bad_event', { session_id: 's', source: '\ud83d' }],
    ['17 labels', 'bad_event', { session_id: 's', labels: labelsOf(17) }],
    ['300 000 labels', 'bad_event', { session_id: 's', labels: labelsOf(300_000) }],
    ['300 000 unknown fields', 'bad_event', { session_id: 's', ...labelsOf(300_000) }],
    ['the source that stands for our own sessions', 'bad_event', { session_id: 's', source: 'local' }],
    ['labels as a list', 'bad_event', { session_id: 's', labels: ['a'] }],
    ['a label that is no text', 'bad_event', { session_id: 's', labels: { a: 1 } }],
    ['a label without a name', 'bad_event', { session_id: 's', labels: { '': 'x' } }],
    ['a long name of a label', 'bad_event', { session_id: 's', labels: { ['x'.repeat(65)]: '' } }],
    ['a long label', 'bad_event', { session_id: 's', labels: { a: 'x'.repeat(257) } }],
    ['a label by the name of a prototype', 'bad_event', JSON.parse('{"session_id":"s","labels":{"__proto__":"x"}}')],
    ['a label with a bell', 'bad_event', { session_id: 's', labels: { a: '\u0007' } }],
    ['a time two minutes ahead', 'bad_time', { session_id: 's', timestamp: NOW + 120_000 }],
    ['a time ahead as ISO', 'bad_time', { session_id: 's', timestamp: '2999-01-01T00:00:00Z' }],
    ['a negative time', 'bad_time', { session_id: 's', timestamp: -1 }],
    ['a time that is none', 'bad_time', { session_id: 's', timestamp: 'yesterday' }],
    ['a time and more', 'bad_time', { session_id: 's', timestamp: '2026-01-02T03:04:05 (or so)' }],
    ['a month that is none', 'bad_time', { session_id: 's', timestamp: '2026-13-01T00:00:00Z' }],
    ['an infinite time', 'bad_event', { session_id: 's', timestamp: JSON.parse('1e999') }],
    ['a long time', 'bad_event', { session_id: 's', timestamp: '2'.repeat(65) }],
    ['a long preview', 'bad_event', { session_id: 's', command_preview: 'x'.repeat(501) }],
    ['a preview with ESC', 'bad_event', { session_id: 's', response_preview: '\u001b]0;x\u0007' }],
    ['cols without rows', 'bad_event', { session_id: 's', cols: 80 }],
    ['no columns', 'bad_event', { session_id: 's', cols: 0, rows: 24 }],
    ['too many columns', 'bad_event', { session_id: 's', cols: 65_536, rows: 24 }],
    ['less than nothing lost', 'bad_event', { session_id: 's', lost_bytes: -1 }],
  ])('with %s is refused as %s', (_, code, event) => {
    const error = refused(event);
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(400);
    expect(error.hint).not.toBe('');
  });

  it('names the field, but not at any length', () => {
    expect(refused({ session_id: 's', stream: 'x' }).details).toEqual({ field: 'stream' });
    expect(refused({ session_id: 's', labels: { a: 1 } }).details).toEqual({ field: 'labels.a' });
    const error = refused({ session_id: 's', labels: { ['x'.repeat(MIB)]: '' } });
    expect(JSON.stringify(error.toWire()).length).toBeLessThan(1000);
  });

  it('needs a number with a producer', () => {
    expect(refused({ session_id: 's' }, true)).toMatchObject({ code: 'bad_event', details: { field: 'seq' } });
    expect(parse({ seq: 0 }, true).seq).toBe(0);
    expect(parse({ seq: Number.MAX_SAFE_INTEGER }, true).seq).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('may use its limits to the full', () => {
    const id = `A${'.:@+=,~-_9'.repeat(20)}`.slice(0, 200);
    const event = parseEvent(
      {
        session_id: id,
        command: 'ä'.repeat(32 * 1024),
        response_base64: Buffer.alloc(MIB, 0xff).toString('base64'),
        source: '💻'.repeat(32),
        labels: { ...labelsOf(15), ['k'.repeat(64)]: 'v'.repeat(256) },
        command_preview: 'p'.repeat(500),
        response_preview: `two\nlines\t${'p'.repeat(490)}`,
        signal: 'SIGRTMIN+1',
        exit_code: null,
        timestamp: NOW + 60_000,
        cols: 65_535,
        rows: 1,
        cwd: `/${'d'.repeat(4095)}`,
        lost_bytes: Number.MAX_SAFE_INTEGER,
        is_final: true,
      },
      false,
      NOW,
    );
    expect(event.sessionId).toBe(id);
    expect(event.output).toHaveLength(MIB);
    expect(event.size).toEqual({ cols: 65_535, rows: 1 });
    expect(event.isFinal).toBe(true);
    expect(event.mark.at).toBe(NOW + 60_000);
    expect(Object.keys(event.labels)).toHaveLength(16);
    expect(parse({ response: 'x'.repeat(MIB) }).output).toHaveLength(MIB);
    expect(parse({ exit_code: -(2 ** 31) }).mark.exit_code).toBe(-(2 ** 31));
    expect(parse({ exit_code: 2 ** 32 - 1 }).mark.exit_code).toBe(2 ** 32 - 1);
  });

  it('keeps output byte by byte: NUL, escapes, every byte as base64, whole characters as text', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    expect(Buffer.from(parse({ response_base64: all.toString('base64') }).output)).toEqual(all);
    const text = '\0\u001b[2J\r\n\ufeff\ufffd💻\u2028';
    expect(Buffer.from(parse({ response: text }).output).toString()).toBe(text);
    for (const empty of [{}, { response: '' }, { response_base64: '' }]) expect(parse(empty).output).toHaveLength(0);
  });

  it('says only what it was told', () => {
    expect(parse({})).toEqual({
      sessionId: 's',
      seq: null,
      source: undefined,
      labels: {},
      stream: 'tty',
      output: new Uint8Array(0),
      cwd: undefined,
      size: undefined,
      isFinal: false,
      mark: {},
    });
    expect(parse({ is_final: false, lost_bytes: 0 }).mark).toEqual({});
    expect(parse({ exit_code: 0, signal: null, is_final: true }).mark).toEqual({
      exit_code: 0,
      signal: null,
      is_final: true,
    });
  });

  it.each([
    ['2026-01-02T03:04:05Z', NOW],
    ['2026-01-02T03:04:05.250Z', NOW + 250],
    ['2026-01-02T03:04:05.123456', NOW + 123],
    ['2026-01-02 03:04:05', NOW],
    ['2026-01-02T04:04:05+01:00', NOW],
    ['2026-01-02T04:04:05+0100', NOW],
    ['2026-01-01T22:04:05.000-05:00', NOW],
    ['2026-01-02T03:04', NOW - 5000],
    [NOW + 0.4, NOW],
    [0, 0],
  ])('reads the time %s', (timestamp, at) => {
    expect(parse({ timestamp }).mark.at).toBe(at);
  });

  it.each([
    [{ seq: 1 }, '"session_id" of the event is missing.'],
    [{ session_id: 7 }, '"session_id" of the event is no string.'],
    [{ session_id: 's', stream: 'stdin' }, '"stream" of the event is none of tty, stdout, stderr.'],
    [{ session_id: 's', source: '' }, '"source" of the event is empty.'],
    [{ session_id: 's', source: 'x'.repeat(65) }, '"source" of the event is over 64 characters.'],
    [{ session_id: 's', source: 'a\nb' }, '"source" of the event has more than one line.'],
    [{ session_id: 's', cols: 0, rows: 1 }, '"cols" of the event is under 1.'],
    [{ session_id: 's', cols: 70_000, rows: 1 }, '"cols" of the event is over 65535.'],
    [{ session_id: 's', cols: 1.5, rows: 1 }, '"cols" of the event is no whole number.'],
    [{ session_id: 's', timestamp: {} }, '"timestamp" of the event is neither ms since 1970 nor ISO 8601.'],
    [{ session_id: 's', labels: { job: 7 } }, '"labels.job" of the event is no string.'],
    [{ session_id: 's', labels: { '': 'x' } }, '"labels." of the event has a name that is empty.'],
    [7, 'The event is no object.'],
    [{ session_id: 's', cols: 1 }, 'The event has one of cols and rows, which go together.'],
  ])('says of %j what is wrong, in words', (raw, message) => {
    expect(() => parseEvent(raw, false, NOW)).toThrow(expect.objectContaining({ message }));
  });

  it('leaves out what nobody knows, and names it, but not at any length and not all of very many', () => {
    expect(parse({ mood: 'fine' })).toEqual(parse({}));
    expect(unknownFields({ session_id: 's', respnse: 'x', mood: 1 })).toEqual(['respnse', 'mood']);
    expect(unknownFields(JSON.parse('{"session_id":"s","__proto__":{"a":1},"toString":1}'))).toEqual([
      '__proto__',
      'toString',
    ]);
    expect(unknownFields({ ['x'.repeat(MIB)]: 1 })).toEqual(['x'.repeat(64)]);
    for (const none of [{ session_id: 's' }, labelsOf(300_000), null, 7, 'a', ['a']])
      expect(unknownFields(none)).toEqual([]);
  });

  it('of what cannot be read tells the names that can', () => {
    expect(namesOf({ session_id: 'a', seq: 3, nonsense: 1 })).toEqual({ sessionId: 'a', seq: 3 });
    expect(namesOf({ session_id: 'a/b', seq: 1e300 })).toEqual({ sessionId: null, seq: null });
    for (const nothing of [null, 7, 'a', []]) expect(namesOf(nothing)).toEqual({ sessionId: null, seq: null });
  });
});
