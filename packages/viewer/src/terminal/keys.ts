// Bytes of keys that a phone has no key for. Pure.

export type Arrow = 'A' | 'B' | 'C' | 'D';

/** What Ctrl and a character send; undefined where there is nothing. */
export function withCtrl(text: string): string | undefined {
  if (text === ' ') return '\x00';
  if (text === '?') return '\x7f';
  const code = text.length === 1 ? text.toUpperCase().charCodeAt(0) : 0;
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code - 0x40) : undefined;
}
