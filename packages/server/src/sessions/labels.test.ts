import { expect, it } from 'vitest';
import { Labels, labelsOf, MAX_LABELS } from './labels.ts';

const many = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']));

it.each<[string, unknown]>([
  ['one too many', many(MAX_LABELS + 1)],
  ['300,000 of them', many(300_000)],
  ['a list', ['a=b']],
  ['text', 'a=b'],
  ['a value that is no text', { a: 1 }],
  ['no name', { '': 'x' }],
  ['a name that is too long', { ['k'.repeat(65)]: 'x' }],
  ['a value that is too long', { a: 'v'.repeat(257) }],
  ['a value of two lines', { a: 'b\nc' }],
  ['a name of two lines', { 'a\tb': 'c' }],
  ['an escape sequence', { a: '\u001b[31m' }],
  ['half of a character', { a: '\ud83d' }],
  ['the name of the prototype', JSON.parse('{"__proto__": "x"}')],
])('%s is refused', (_, labels) => {
  expect(Labels.safeParse(labels).success).toBe(false);
});

it('what is within the bounds is taken as it is', () => {
  const labels = { ...many(MAX_LABELS - 2), ['k'.repeat(64)]: 'v'.repeat(256), 'a=b': '' };
  expect(Labels.parse(labels)).toEqual(labels);
  expect(Labels.parse({})).toEqual({});
});

it('a session has those of its emitter, its own, or none', () => {
  expect(labelsOf({ foreign: { labels: { a: '1' } }, spec: { labels: { b: '2' } } })).toEqual({ a: '1' });
  expect(labelsOf({ foreign: null, spec: { labels: { b: '2' } } })).toEqual({ b: '2' });
  expect(labelsOf({ foreign: null, spec: {} })).toEqual({});
});
