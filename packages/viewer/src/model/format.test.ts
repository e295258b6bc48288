import { describe, expect, it } from 'vitest';
import { age, bytes, oneLine, person, timeLeftText } from './format.ts';

describe('short texts', () => {
  it('gives ages and sizes in the unit that fits', () => {
    expect([0, 42_000, 300_000, 3 * 3_600_000, 90 * 3_600_000].map(age)).toEqual([
      'now',
      '42 s',
      '5 min',
      '3 h',
      '3 d',
    ]);
    expect([1, 512, 12 * 1024, 3.4 * 1024 * 1024].map(bytes)).toEqual(['1 byte', '512 bytes', '12 KiB', '3.4 MiB']);
  });

  it('keeps control and direction marks out of names', () => {
    expect(oneLine('a\u0007b\u202ec')).toBe('a b c');
    expect(oneLine('a\u061cb\u200bc\u2028d\u2060e\ufeff')).toBe('a b c d e');
    expect(oneLine('👩\u200d🚀')).toBe('👩\u200d🚀');
    expect(oneLine('x'.repeat(200))).toHaveLength(120);
  });

  it('removes invisible letters from names, and keeps joiners between letters', () => {
    expect(oneLine(`Ada${'\u034f\u200d\u3164\ufe0f'.repeat(28)}!`)).toBe('Ada!');
    expect(oneLine('a\u115fb\u1160c\uffa0d\u00ade')).toBe('abcde');
    expect(oneLine(`\u2800\u2800\ufffc`)).toBe('');
    expect(oneLine('❤\ufe0f\u200d🔥 می\u200cخواهم क्\u200dष')).toBe('❤\ufe0f\u200d🔥 می\u200cخواهم क्\u200dष');
  });

  it('cuts the name of a guest, and never the mark of a guest', () => {
    expect(person('Ada (guest)', 24)).toBe('Ada (guest)');
    expect(person(`${'x'.repeat(40)} (guest)`, 24)).toBe(`${'x'.repeat(15)}… (guest)`);
    expect(person(`Ada${' \u2800'.repeat(40)} (guest)`, 24)).toBe('Ada (guest)');
    expect(person('x'.repeat(40), 24)).toBe(`${'x'.repeat(23)}…`);
  });

  it('gives the time left in the unit that fits', () => {
    const NOW = 1_700_000_000_000;
    const minutes = [0, 1, 90, 180, 47 * 60, 48 * 60, 30 * 24 * 60];
    expect(minutes.map((left) => timeLeftText(NOW + left * 60_000, NOW))).toEqual([
      ...['less than a minute', '1 minute', '90 minutes', '3 hours', '47 hours', '2 days', '30 days'],
    ]);
    expect(timeLeftText(NOW - 1, NOW)).toBe('less than a minute');
  });
});
