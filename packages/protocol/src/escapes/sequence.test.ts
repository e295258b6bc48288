import { describe, expect, it } from 'vitest';
import { type EscapeSequence, sequenceOf, withoutColours } from './sequence.ts';

const partsOf = (text: string): EscapeSequence => {
  const units = new TextEncoder().encode(`x${text}x`);
  return sequenceOf(units, 1, units.length - 1);
};

describe('an escape sequence', () => {
  it.each<[string, EscapeSequence]>([
    ['\x1b[?25l', { kind: 'csi', parameters: '?25', final: 'l' }],
    ['\x9b2J', { kind: 'csi', parameters: '2', final: 'J' }],
    ['\x1b[5\r\n;1\x7fi', { kind: 'csi', parameters: '5;1', final: 'i' }],
    ['\x1b]8;;http://x\x1b\\', { kind: 'string', introducer: ']', content: '8;;http://x' }],
    ['\x1b\x00]52;c;\x01e\x07', { kind: 'string', introducer: ']', content: '52;c;e' }],
    ['\x9dtitle\x9c', { kind: 'string', introducer: ']', content: 'title' }],
    ['\x1bP+q\x1b\\', { kind: 'string', introducer: 'P', content: '+q' }],
    ['\x1b_Gi=1', { kind: 'string', introducer: '_', content: 'Gi=1' }],
    ['\x1b(B', { kind: 'escape', text: '(B' }],
    ['\x1b\x0bZ', { kind: 'escape', text: 'Z' }],
    ['\x1b', { kind: 'escape', text: '' }],
  ])('%j has its parts', (text, parts) => expect(partsOf(text)).toEqual(parts));

  it('of colours is removed, and no other', () => {
    expect(withoutColours('\x1b[1;38:5:1mred\x1b[m \x1b[K\x1b[>4m')).toBe('red \x1b[K\x1b[>4m');
  });
});
