import fc from 'fast-check';
import { findNodeAtLocation, getNodeValue, parseTree } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { type JsonText, type Path, readJsonc } from './jsonc.ts';

const read = (text: string): { value: unknown; text: JsonText } => {
  const found = readJsonc(text);
  if ('wrong' in found) throw new Error(found.wrong.what);
  return found;
};
const wrong = (text: string): unknown => {
  const found = readJsonc(text);
  return 'wrong' in found ? found.wrong : found;
};

/** All paths of a value. */
function* pathsOf(value: unknown, at: Path = []): Generator<Path> {
  yield at;
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  for (const [key, inner] of Object.entries(value)) yield* pathsOf(inner, [...at, isList ? Number(key) : key]);
}

/** Spaces, comments and needless commas, put between the tokens of a JSON text. */
const between = fc.constantFrom('', ' ', '\n', '\t\r\n', '/* a "b" , ] */', '// x ", }\n', '/**/\n\n');
const jsonc = fc
  .tuple(fc.jsonValue({ maxDepth: 4, noUnicodeString: false }), fc.array(between, { minLength: 40, maxLength: 40 }))
  .map(([value, spaces]) => {
    let n = 0;
    const space = (): string => spaces[n++ % spaces.length] ?? '';
    const write = (inner: unknown): string => {
      if (typeof inner !== 'object' || inner === null) return JSON.stringify(inner);
      const isList = Array.isArray(inner);
      const parts = Object.entries(inner).map(
        ([key, each]) =>
          space() + (isList ? '' : `${JSON.stringify(key)}${space()}:${space()}`) + write(each) + space(),
      );
      const comma = parts.length > 0 && n % 2 === 0 ? ',' : '';
      return `${isList ? '[' : '{'}${parts.join(',')}${comma}${space()}${isList ? ']' : '}'}`;
    };
    return space() + write(value) + space();
  });

describe('JSON with comments', () => {
  it('is read as the other parser reads it, and everything is found where that finds it', () => {
    fc.assert(
      fc.property(jsonc, (text) => {
        const tree = parseTree(text, [], { allowTrailingComma: true });
        if (tree === undefined) throw new Error('unreachable');
        const { value, text: found } = read(text);
        const paths = [...pathsOf(value)].filter((path) => !path.includes('__proto__'));
        const places = found.places(paths);
        for (const [i, path] of paths.entries()) {
          const node = findNodeAtLocation(tree, [...path]);
          if (node === undefined) throw new Error(`${path.join()} is not found`);
          const lines = text.slice(0, node.offset).split('\n');
          expect(places[i]).toEqual({ line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 });
          expect(getNodeValue(node)).toEqual(path.reduce((at, key) => (at as Record<string, unknown>)[key], value));
        }
      }),
    );
  });

  it('has the last of two members with one name, and finds that', () => {
    const { value, text } = read('{"a": 1,\n"a": 2}');
    expect(value).toEqual({ a: 2 });
    expect(text.places([['a'], ['a', 'b', 3], ['c'], []])).toEqual([
      { line: 2, column: 6 },
      { line: 2, column: 6 },
      { line: 1, column: 1 },
      { line: 1, column: 1 },
    ]);
  });

  it.each([
    ['', 'The file is empty.', 1, 1],
    ['// nothing\n', 'This is not JSON: value expected.', 2, 1],
    ['{\n"a" 1}', 'This is not JSON: colon expected.', 2, 5],
    ['[1,,2]', 'This is not JSON: value expected.', 1, 4],
    ['[,]', 'This is not JSON: value expected.', 1, 2],
    ['{"a": 1} /* open', 'This is not JSON: unexpected end of comment.', 1, 10],
    ['{"a": "\n"}', 'This is not JSON: unexpected end of string.', 1, 7],
  ])('that is wrong is told with its place: %j', (text, what, line, column) => {
    expect(wrong(text)).toEqual({ what, place: { line, column } });
  });

  it('that nobody can read throws nothing, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'{}[],:"\\/*\n1a ') })), (text) => {
        const found = readJsonc(text);
        if ('wrong' in found) expect(found.wrong.what).not.toBe('');
        else expect(found.text.places([['a'], [0], []])).toHaveLength(3);
      }),
      { numRuns: 2000 },
    );
    for (const text of ['['.repeat(1_000_000), '"\\'.repeat(500_000), '/*'.repeat(500_000), ']'.repeat(1_000_000)]) {
      expect(wrong(text)).toMatchObject({ what: expect.any(String) });
    }
  });
});
