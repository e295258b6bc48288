// Bytes of keys that a phone lacks. Pure.

export type Arrow = 'A' | 'B' | 'C' | 'D';

/** Returns the bytes of Ctrl with a character; undefined if there are none. */
export function withCtrl(text: string): string | undefined {
  if (text === ' ') return '\x00';
  if (text === '?') return '\x7f';
  const code = text.length === 1 ? text.toUpperCase().charCodeAt(0) : 0;
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code - 0x40) : undefined;
}
