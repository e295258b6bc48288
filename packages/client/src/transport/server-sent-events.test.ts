import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventReader, type ServerEvent } from './server-sent-events.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads it cut at these places. */
function readIn(parts: readonly Uint8Array[]): ServerEvent[] {
  const reader = new EventReader();
  return parts.flatMap((part) => reader.push(part));
}

describe('server-sent events', () => {
  it('are read wherever they are cut, also inside of a character', () => {
    const text = 'id: a.1.2\nevent: output\ndata: {"text":"é€😀"}\n\n: still here\n\nid: b\ndata: x\ndata: y\n\n';
    const whole = bytes(text);
    const expected = [
      { id: 'a.1.2', event: 'output', data: '{"text":"é€😀"}' },
      { id: 'b', event: '', data: 'x\ny' },
    ];
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const parts = places.slice(1).map((end, i) => whole.subarray(places[i], end));
        expect(readIn(parts)).toEqual(expected);
      }),
    );
  });

  it('may end their lines in CR LF, and leave the space behind the colon out', () => {
    expect(readIn([bytes('id:1\r\nevent:run\r\ndata:{}\r\n\r\n')])).toEqual([{ id: '1', event: 'run', data: '{}' }]);
  });

  it('keep the id of the one before, and need data to be one', () => {
    expect(readIn([bytes('id: 7\n\nevent: a\ndata\n\nretry: 5\nwhat: ever\nevent: b\ndata: 1\n\n')])).toEqual([
      { id: '7', event: 'a', data: '' },
      { id: '7', event: 'b', data: '1' },
    ]);
  });

  it('that are never complete are not handed out', () => {
    expect(readIn([bytes('id: 1\nevent: end\ndata: {}\n')])).toEqual([]);
  });

  it('that never end are refused before they fill the memory', () => {
    const part = bytes('x'.repeat(1024 * 1024));
    expect(() => readIn([bytes('data: '), ...Array.from({ length: 9 }, () => part)])).toThrow(
      expect.objectContaining({ code: 'protocol_error' }),
    );
    const lines = bytes(`${`data: ${'x'.repeat(1000)}\n`.repeat(1000)}`);
    expect(() => readIn(Array.from({ length: 9 }, () => lines))).toThrow(
      expect.objectContaining({ code: 'protocol_error' }),
    );
  });
});
