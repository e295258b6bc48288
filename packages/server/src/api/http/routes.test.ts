import { describe, expect, test } from 'vitest';
import { checkRoutes, type HttpRoute, json, PUBLIC_BODY_BYTES, route, type WsRoute, z } from './routes.ts';

const get = (path: string, more: Partial<HttpRoute> = {}): HttpRoute => ({
  ...route('get', path, 'view', { summary: path, responses: {}, handler: () => json({}) }),
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

  test('when anybody may send a route a body of any size', () => {
    const open = { scope: 'public', body: z.strictObject({}) } as const;
    expect(() => checkRoutes([get('/a', open)], [])).toThrow('Anybody may send the route get /a a large body');
    expect(() => checkRoutes([get('/a', { ...open, bodyLimit: PUBLIC_BODY_BYTES + 1 })], [])).toThrow('large body');
    checkRoutes([get('/a', { ...open, bodyLimit: PUBLIC_BODY_BYTES })], []);
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
