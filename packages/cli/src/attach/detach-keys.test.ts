import { describe, expect, it } from 'vitest';
import { DEFAULT_DETACH_KEYS } from '../declarations/sessions.ts';
import { Failure } from '../output/failure.ts';
import { DetachKeys, parseKeys } from './detach-keys.ts';

const type = (keys: string, ...chunks: readonly string[]): { sent: string; detached: boolean } => {
  const detach = new DetachKeys(parseKeys(keys));
  let sent = '';
  for (const chunk of chunks) {
    const typed = detach.push(Buffer.from(chunk));
    sent += Buffer.from(typed.bytes).toString();
    if (typed.detached) return { sent, detached: true };
  }
  return { sent, detached: false };
};

describe('detach keys', () => {
  it('are Ctrl-\\ by default, and what was typed before it is sent', () => {
    expect(type(DEFAULT_DETACH_KEYS, 'ls\r\x1cmore')).toEqual({ sent: 'ls\r', detached: true });
  });

  it.each(['\x1b[92;5u', '\x1b[92;5:1u', '\x1b[27;5;92~'])(
    'are found in the form of another keyboard mode: %j',
    (form) => {
      expect(type(DEFAULT_DETACH_KEYS, form)).toEqual({ sent: '', detached: true });
    },
  );

  it('may be a sequence, also when it comes in two chunks', () => {
    expect(type('ctrl-p,ctrl-q', 'a\x10', '\x11')).toEqual({ sent: 'a', detached: true });
    expect(type('ctrl-] d', '\x1dd')).toEqual({ sent: '', detached: true });
  });

  it('let through a beginning that nothing follows', () => {
    expect(type('ctrl-p ctrl-q', 'a\x10', 'b\x10\x10')).toEqual({ sent: 'a\x10b\x10', detached: false });
  });

  it('never hold back a lone ESC, so that vim and menus stay quick', () => {
    expect(type(DEFAULT_DETACH_KEYS, '\x1b')).toEqual({ sent: '\x1b', detached: false });
  });

  it('pass on bytes that are no UTF-8 as they are', () => {
    const typed = new DetachKeys(parseKeys(DEFAULT_DETACH_KEYS)).push(Uint8Array.of(0xff, 0xc3, 0x28));
    expect([...typed.bytes]).toEqual([0xff, 0xc3, 0x28]);
  });

  it('can be switched off', () => {
    expect(type('none', '\x1c')).toEqual({ sent: '\x1c', detached: false });
  });

  it('are refused when they are no keys', () => {
    expect(() => parseKeys('ctrl-ü')).toThrow(Failure);
    expect(() => parseKeys('escape')).toThrow(Failure);
  });
});
