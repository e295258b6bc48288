import { describe, expect, test } from 'vitest';
import { bySpecificity, checkRoutes, type HttpRoute, json, matchPath, route, type WsRoute, z } from './routes.ts';

const get = (path: string, more: Partial<HttpRoute> = {}): HttpRoute => ({
  ...route({ method: 'get', path, scope: 'view', summary: path, responses: {}, handler: () => json({}) }),
  ...more,
});
const ws = (path: string, more: object = {}): WsRoute => ({ path, scope: 'view', upgrade: () => {}, ...more });
const id = z.object({ id: z.string() });

describe('denied-by-default: a table of routes is refused at start', () => {
  test('when a route has no scope', () => {
    for (const scope of [undefined, 'everyone', '', null]) {
      expect(() => checkRoutes([get('/a', { scope: scope as never })], [])).toThrow('get /a declares no scope');
      expect(() => checkRoutes([], [ws('/a', { scope })])).toThrow('websocket /a declares no scope');
    }
    expect(() => checkRoutes([], [ws('/a', { scope: 'public' })])).toThrow('cannot be public');
  });

  test('when two routes collide, whatever their parameters are called', () => {
    const first = get('/a/:id', { params: id });
    expect(() => checkRoutes([first, get('/a/:other', { params: id })], [])).toThrow('collide');
    expect(() => checkRoutes([], [ws('/w/:a'), ws('/w/:b')])).toThrow('collide');
    expect(() => checkRoutes([first, get('/a/b')], [ws('/a/:id')])).not.toThrow();
  });

  test('when a path is more than segments, or a parameter has no schema', () => {
    for (const path of [
      'a',
      '/a/*',
      '/a/*rest/b',
      '/a/x*rest',
      '/*1',
      '/a/:id?',
      '/a/:id{[0-9]+}',
      '/a//b',
      '/a/',
      '/a b',
      '/:',
    ]) {
      expect.soft(() => checkRoutes([get(path, { params: id })], []), path).toThrow('fixed segments');
    }
    expect(() => checkRoutes([get('/a/:id')], [])).toThrow('no params schema');
    expect(() => checkRoutes([get('/a/*rest')], [])).toThrow('no params schema');
    expect(() => checkRoutes([], [ws('/a/*rest')])).toThrow('fixed segments');
    const rest = [get('/a/*rest', { params: id }), get('/a/*other', { params: id })];
    expect(() => checkRoutes(rest, [])).toThrow('collide');
    expect(() => checkRoutes(rest.slice(1), [])).not.toThrow();
  });
});

describe('a path', () => {
  test('matches by whole, decoded segments', () => {
    expect(matchPath('/a/:id/b', '/a/x%20y/b')).toEqual({ id: 'x y' });
    expect(matchPath('/a/:id', '/a/..')).toEqual({ id: '..' });
    for (const other of ['/a/', '/a', '/a/b/c', '/b/x', '/a/%zz', '/A/x']) {
      expect.soft(matchPath('/a/:id', other), other).toBeUndefined();
    }
  });

  test('that ends with a rest matches all that follows, as it came', () => {
    const all = (path: string) => matchPath('/a/:id/*rest', path);
    expect(all('/a/x/b/c')).toEqual({ id: 'x', rest: 'b/c' });
    expect(all('/a/x/')).toEqual({ id: 'x', rest: '' });
    expect(all('/a/x/%2e%2e//%2F')).toEqual({ id: 'x', rest: '%2e%2e//%2F' });
    for (const other of ['/a/x', '/a//b', '/a', '/b/x/c']) expect.soft(all(other), other).toBeUndefined();
  });

  test('with a fixed segment comes before one with a parameter', () => {
    const paths = ['/a/*all', '/a/:id', '/a/b', '/:x/b', '/a/:id/c'].map((path) => ({ path }));
    expect(paths.sort(bySpecificity).map(({ path }) => path)).toEqual([
      '/a/b',
      '/a/:id',
      '/a/:id/c',
      '/a/*all',
      '/:x/b',
    ]);
  });
});
