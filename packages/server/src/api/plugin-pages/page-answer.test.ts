import type { BinnacleError } from '@binnacle/protocol';
import { expect, test } from 'vitest';
import { responseOf } from './page-answer.ts';

const request = { plugin: 'p', base: 'http://localhost', path: '/plugins/p/x', isPublic: true };
const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k-${i}`, 'x'.repeat(100)]));

test('headers are counted before they are read', () => {
  let accesses = 0;
  const headers = new Proxy(many, {
    get: (target, name) => {
      accesses += 1;
      return Reflect.get(target, name);
    },
  });
  const failure = failureOf({ status: 200, headers, body: '' });
  expect(failure).toMatchObject({ code: 'plugin_failed', message: expect.stringContaining('headers') });
  expect(accesses).toBeLessThan(10);
});

test.each([
  ['of thousands of keys', { ...many, status: 200, headers: {}, body: '' }],
  ['with a header of many characters', { status: 200, headers: { ['x'.repeat(100_000)]: '' }, body: '' }],
])('what is wrong with an answer %s is said in few words', (_, result) => {
  expect(failureOf(result).message.length).toBeLessThan(500);
});

function failureOf(result: unknown): BinnacleError {
  try {
    responseOf(result, request);
  } catch (error) {
    return error as BinnacleError;
  }
  throw new Error('It was sent.');
}

test('a location of the plugin leads below the path that the gateway is reached by', () => {
  const below = { ...request, base: 'https://box.example.org/deep/binnacle' };
  const location = (value: string) =>
    responseOf({ status: 302, headers: { location: value }, body: '' }, below).headers.location;
  expect(location('/plugins/p/y?a#b')).toBe('/deep/binnacle/plugins/p/y?a#b');
  expect(location('y')).toBe('/deep/binnacle/plugins/p/y');
});
