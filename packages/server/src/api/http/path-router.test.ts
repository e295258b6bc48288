import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PathRouter } from './path-router.ts';

const router = (...paths: string[]) => new PathRouter(paths, (path) => path);
const paramsOf = (pattern: string, path: string) => router(pattern).match(path)[0]?.params;

describe('a path', () => {
  test('matches by whole segments, and only its names are decoded', () => {
    expect(paramsOf('/a/:id/b', '/a/x%20y/b')).toEqual({ id: 'x y' });
    expect(paramsOf('/a/:id', '/a/..')).toEqual({ id: '..' });
    expect(paramsOf('/a/:id', '/a/:id')).toEqual({ id: ':id' });
    expect(paramsOf('/a/:id', '/a/%zz')).toEqual({ id: '%zz' });
    expect(paramsOf('/a/:id', '/a/%FF%20')).toEqual({ id: '%FF%20' });
    expect(paramsOf('/', '/')).toEqual({});
    for (const other of ['/a/', '/a', '/a/b/c', '/b/x', '/A/x', '/a/../a/x', '/%61/x', 'a/x', '']) {
      expect.soft(paramsOf('/a/:id', other), other).toBeUndefined();
    }
  });

  test('that ends with a rest matches all that follows, as it came', () => {
    const all = (path: string) => paramsOf('/a/:id/*rest', path);
    expect(all('/a/x/b/c')).toEqual({ id: 'x', rest: 'b/c' });
    expect(all('/a/x/')).toEqual({ id: 'x', rest: '' });
    expect(all('/a/x/%2e%2e//%2F')).toEqual({ id: 'x', rest: '%2e%2e//%2F' });
    for (const other of ['/a/x', '/a//b', '/a', '/b/x/c']) expect.soft(all(other), other).toBeUndefined();
  });

  test('with a fixed segment comes before one with a parameter', () => {
    const found = router('/a/*all', '/:x/b', '/a/:id', '/a/b', '/*all').match('/a/b');
    expect(found.map(({ entry }) => entry)).toEqual(['/a/b', '/a/:id', '/a/*all', '/:x/b', '/*all']);
  });

  test('matches as the definition of patterns says, whatever the client sends', () => {
    const segment = fc.constantFrom('a', 'b', ':id', ':x', 'A', '@0', '%61', '~');
    const sent = fc.oneof(
      segment,
      fc.constantFrom('', '*', '*rest', '..', '.', '%zz', '%20', '{a}', ':id{.+}', '__proto__'),
    );
    const pattern = fc
      .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
      .map(([segments, rest]) => `/${[...segments, ...(rest ? ['*rest'] : [])].join('/')}`);
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 8 }), fc.array(sent, { maxLength: 5 }), (patterns, segments) => {
        const path = `/${segments.join('/')}`;
        const found = router(...patterns).match(path);
        expect(new Set(found.map(({ entry }) => entry))).toEqual(new Set(patterns.filter((one) => fits(one, path))));
      }),
      { numRuns: 500 },
    );
  });
});

function fits(pattern: string, path: string): boolean {
  const sent = path.split('/').slice(1);
  const segments = pattern.split('/').slice(1);
  const isRest = segments.at(-1) === '*rest';
  if (isRest ? sent.length < segments.length : sent.length !== segments.length) return false;
  return segments.every((segment, at) => {
    const text = sent[at] ?? '';
    if (segment === '*rest' || segment === text) return segment !== '' || text === '';
    return segment.startsWith(':') && text !== '';
  });
}
