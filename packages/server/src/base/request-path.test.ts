import { expect, test } from 'vitest';
import { pathOf } from './request-path.ts';

test('the path of a request target has neither host nor query', () => {
  const cases = [
    ['/a/b?c', '/a/b'],
    ['/', '/'],
    [undefined, '/'],
    ['/a//b/../%2F', '/a//b/../%2F'],
    ['http://host:1/a?b', '/a'],
    ['HTTPS://host', '/'],
    ['*', '*'],
    ['host:443', 'host:443'],
  ] as const;
  for (const [target, path] of cases) expect.soft(pathOf(target), target).toBe(path);
});
