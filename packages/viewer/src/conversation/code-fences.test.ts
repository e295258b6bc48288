import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitFences } from './prose.tsx';

const code = (text: string, language = '', open = false) => ({ kind: 'code', language, text, open });
const text = (content: string) => ({ kind: 'text', text: content });

describe('the fences in a text', () => {
  it('cut it into text and code, in order, with the language', () => {
    expect(splitFences('before\n```ts\nconst a = 1;\n\n  b();\n```\nafter')).toEqual([
      text('before'),
      code('const a = 1;\n\n  b();', 'ts'),
      text('after'),
    ]);
  });

  it('leave a text without them as it is', () => {
    expect(splitFences('  two\n\n lines `x` ``y`` ')).toEqual([text('  two\n\n lines `x` ``y`` ')]);
    expect(splitFences('')).toEqual([]);
  });

  it('of which the closing one is missing make code to the end, as it streams', () => {
    expect(splitFences('a\n```\nhalf')).toEqual([text('a'), code('half', '', true)]);
    expect(splitFences('```py')).toEqual([code('', 'py', true)]);
  });

  it('close only with the same mark, at least as long, and with nothing behind it', () => {
    expect(splitFences('````md\n```js\nx\n```\n````')).toEqual([code('```js\nx\n```', 'md')]);
    expect(splitFences('~~~\n```\n~~~~')).toEqual([code('```')]);
    expect(splitFences('```\n``` no\n```')).toEqual([code('``` no')]);
  });

  it('are none where backticks follow in the line, or where they stand further in', () => {
    expect(splitFences('```inline```')).toEqual([text('```inline```')]);
    expect(splitFences('    ```\n    x')).toEqual([text('    ```\n    x')]);
  });

  it('never lose a line of text or code, whatever comes', () => {
    const line = fc.constantFrom('```', '```js', '~~~', '````', 'a', ' b', '', '<b>', '``` x');
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const lineTexts = splitFences(lines.join('\n')).flatMap((piece) => piece.text.split('\n'));
        const plainLines = lines.filter((one) => /^( ?[ab]|<b>)$/.test(one));
        expect(lineTexts.filter((one) => /^( ?[ab]|<b>)$/.test(one))).toEqual(plainLines);
      }),
    );
  });
});
