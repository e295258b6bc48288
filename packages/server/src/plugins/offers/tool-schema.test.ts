import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkToolInput, faultOfToolSchema } from './tool-schema.ts';

const WORD = { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] };

describe('a schema that is taken', () => {
  test.each([
    [{ type: 'object' }],
    [WORD],
    [
      {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        title: 'Look up',
        additionalProperties: false,
        properties: {
          many: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 9 }, maxItems: 3 },
          how: { type: 'string', enum: ['fast', 'well'], default: 'well', description: 'How.' },
        },
      },
    ],
  ])('is %j', (schema) => expect(faultOfToolSchema(schema)).toBeUndefined());
});

describe('a schema that is refused, with the reason,', () => {
  let deep: Record<string, unknown> = { type: 'string' };
  for (let n = 0; n < 9; n += 1) deep = { type: 'object', properties: { a: deep } };
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`p${n}`, { type: 'string' }]));
  test.each<[string, Record<string, unknown>, string]>([
    [
      'has a pattern',
      { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } },
      '"pattern" is not taken',
    ],
    ['has a reference', { type: 'object', properties: { a: { $ref: '#' } } }, '"$ref" is not taken'],
    ['has a pattern of names', { type: 'object', patternProperties: {} }, '"patternProperties" is not taken'],
    [
      'names a header',
      { type: 'object', properties: { a: { type: 'string', 'x-mcp-header': 'A' } } },
      '"x-mcp-header"',
    ],
    ['has a union', { type: 'object', anyOf: [] }, '"anyOf" is not taken'],
    ['is of a text', { type: 'string' }, 'type must be "object"'],
    ['has no type', { properties: {} }, 'type must be "object"'],
    ['has two types', { type: 'object', properties: { a: { type: ['string', 'null'] } } }, 'type is one of'],
    ['requires what it does not know', { type: 'object', required: ['a'] }, 'input.required'],
    ['requires what every object has', { type: 'object', required: ['toString'] }, 'input.required'],
    [
      'has a bound that is none',
      { type: 'object', properties: { a: { type: 'string', minLength: 'x' } } },
      'minLength: a number',
    ],
    [
      'has a default that is wrong',
      { type: 'object', properties: { a: { type: 'number', default: 'q' } } },
      'default: of the type number',
    ],
    [
      'has a choice of objects',
      { type: 'object', properties: { a: { type: 'object', enum: [{}] } } },
      'input.properties.a.enum',
    ],
    ['is too deep', deep, 'nested deeper'],
    ['has too many properties', { type: 'object', properties: many }, 'at most 64'],
    ['is too long', { type: 'object', description: 'x'.repeat(20_000) }, '16384 characters'],
    ['has an empty name', { type: 'object', properties: { '': { type: 'string' } } }, 'is no name'],
    [
      'has the name of a prototype',
      { type: 'object', properties: JSON.parse('{"__proto__":{"type":"string"}}') },
      'is no name',
    ],
    ['has a schema for the others', { type: 'object', additionalProperties: {} }, 'true or false'],
    ['has properties that are none', { type: 'object', properties: [] }, 'input.properties: an object'],
  ])('%s', (_, schema, message) => expect(faultOfToolSchema(schema)).toContain(message));

  test('is refused in words, whatever it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 12 })), (schema) => {
        const fault = faultOfToolSchema(schema);
        expect(fault === undefined || typeof fault === 'string').toBe(true);
      }),
    );
  });
});

describe('arguments', () => {
  test('that fit are passed on, with the defaults', () => {
    const schema = {
      type: 'object',
      properties: {
        word: { type: 'string', minLength: 1 },
        n: { type: 'integer', default: 7 },
        at: { type: 'number' },
      },
      required: ['word'],
    };
    expect(checkToolInput(schema, { word: '👋', more: [1] })).toEqual({ word: '👋', n: 7, more: [1] });
    // Whoever spells nothing out as null means that it is left out.
    expect(checkToolInput(schema, { word: 'a', at: null })).toEqual({ word: 'a', n: 7 });
  });

  test.each<[unknown, Record<string, unknown>, string]>([
    [undefined, WORD, '"word": missing.'],
    [{ word: 1 }, WORD, '"word": of the type string.'],
    [{ word: null }, WORD, '"word": of the type string.'],
    ['word', WORD, 'The arguments: of the type object.'],
    [[], WORD, 'The arguments: of the type object.'],
    [{ a: 1 }, { type: 'object', additionalProperties: false }, '"a": not known.'],
    [JSON.parse('{"__proto__":1}'), { type: 'object' }, '"__proto__": not known.'],
    [
      { a: [1, 1.5] },
      { type: 'object', properties: { a: { type: 'array', items: { type: 'integer' } } } },
      '"a.1": a whole number.',
    ],
    [
      { a: 'xyz' },
      { type: 'object', properties: { a: { type: 'string', maxLength: 2 } } },
      '"a": at most 2 characters.',
    ],
    [{ a: 1 }, { type: 'object', properties: { a: { type: 'number', minimum: 2 } } }, '"a": at least 2.'],
    [{ a: [] }, { type: 'object', properties: { a: { type: 'array', minItems: 1 } } }, '"a": at least 1 items.'],
    [{ a: 'z' }, { type: 'object', properties: { a: { type: 'string', enum: ['x'] } } }, '"a": one of ["x"].'],
    [
      { a: { b: 2 } },
      { type: 'object', properties: { a: { type: 'object', properties: { b: { type: 'integer', const: 1 } } } } },
      '"a.b": 1.',
    ],
  ])('that are %j are refused by name', (input, schema, message) => {
    expect(faultOfToolSchema(schema)).toBeUndefined();
    expect(() => checkToolInput(schema, input)).toThrow(expect.objectContaining({ code: 'bad_request', message }));
  });

  test('that are nested without end are refused, and cost no stack', () => {
    const input: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(() => checkToolInput({ type: 'object' }, { a: input })).toThrow('nested deeper than 64');
  });
});
