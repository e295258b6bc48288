import { describe, expect, it } from 'vitest';
import { bytesOfKey, isCursorKey } from './keys.ts';

describe('a key', () => {
  it('is what a terminal sends for it, however it is spelt', () => {
    for (const [key, bytes] of [
      ['enter', '\r'],
      ['Enter', '\r'],
      ['ctrl-c', '\x03'],
      ['Ctrl+C', '\x03'],
      ['C-c', '\x03'],
      ['ctrl-[', '\x1b'],
      ['ArrowUp', '\x1b[A'],
      ['home', '\x1b[H'],
      ['PageUp', '\x1b[5~'],
      ['pgdn', '\x1b[6~'],
      ['alt-x', '\x1bx'],
      ['M-X', '\x1bX'],
      ['alt-left', '\x1b\x1b[D'],
      ['f5', '\x1b[15~'],
      ['G', 'G'],
      ['-', '-'],
      ['😀', '😀'],
    ] as const) {
      expect({ key, bytes: bytesOfKey(key, false) }).toEqual({ key, bytes });
    }
    expect(bytesOfKey('down', true)).toBe('\x1bOB');
    expect(['up', 'alt-end', 'ArrowLeft'].every(isCursorKey)).toBe(true);
    expect(['enter', 'constructor', 'A'].some(isCursorKey)).toBe(false);
  });

  it('that there is not is refused with those that there are', () => {
    for (const key of ['', 'nope', 'constructor', '__proto__', 'alt-', 'ctrl-', 'ctrl-é', 'alt-nope', 'alt-alt-alt-']) {
      expect(() => bytesOfKey(key, false), key).toThrowError(expect.objectContaining({ code: 'bad_request' }));
    }
  });
});
