import { expect, expectTypeOf, it } from 'vitest';
import { defined } from './defined.ts';

it('drops the undefined fields alone, and keeps the order of the others', () => {
  const fields = { b: undefined, a: null, d: 0, c: '', e: false };
  expect(Object.entries(defined(fields))).toEqual([
    ['a', null],
    ['d', 0],
    ['c', ''],
    ['e', false],
  ]);
  expect(Object.hasOwn(defined({ b: undefined as string | undefined }), 'b')).toBe(false);
});

it('has a type with optional fields where a value may be undefined', () => {
  const limit = 3 as number | undefined;
  const made = defined({ q: 'x', limit });
  expectTypeOf(made.q).toEqualTypeOf<'x'>();
  // An undefined field would not be assignable under exactOptionalPropertyTypes.
  const exact: { q: string; limit?: number } = made;
  expect(exact).toEqual({ q: 'x', limit: 3 });
});
