import { describe, expect, it } from 'vitest';
import { hiddenLetter } from './hidden-characters.ts';

describe('hidden letters', () => {
  it('are found: escapes, overrides of the order, tags, blanks without a width, rows of selectors', () => {
    for (const [text, letter] of [
      ['Files\u001b[8m', 'U+001B'],
      ['Files\u202egnp.exe', 'U+202E'],
      ['Files\u2066x\u2069', 'U+2066'],
      ['Files \u{e0049}\u{e0067}', 'U+E0049'],
      ['Fi\u200bles', 'U+200B'],
      ['Fi\u00adles', 'U+00AD'],
      ['\ufeffFiles', 'U+FEFF'],
      ['Files\u2028rm', 'U+2028'],
      ['Files\u{e0101}', 'U+E0101'],
      ['Files\ufe0f', 'U+FE0F'],
      ['⚙\ufe0f\ufe0f', 'U+FE0F'],
      ['a\u200db', 'U+200D'],
      ['می\u200c\u200cخواهم', 'U+200C'],
      ['Files\u2800', 'U+2800'],
      ['Files\u3164', 'U+3164'],
      ['Files\ue000', 'U+E000'],
      ['Files\ud800', 'U+D800'],
      ['Files\r', 'U+000D'],
      ['Files\u0085', 'U+0085'],
    ] as const) {
      expect.soft(hiddenLetter(text), JSON.stringify(text)).toBe(letter);
    }
  });

  it('are none in what people write, in any script, with emoji and with lines', () => {
    for (const text of [
      'List files',
      'Zeigt “Dateien” – à jour',
      'می‌خواهم',
      'שלום',
      'ファイル',
      'क्षि',
      'Look ⚙️ 👩‍💻',
      'a\n\tb',
      '',
    ]) {
      expect.soft(hiddenLetter(text), text).toBeUndefined();
    }
  });
});
