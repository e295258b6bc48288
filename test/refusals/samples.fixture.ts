// Values that fit a schema of the documents, and values that do not: what is missing, of another kind, or over a limit.

import type { Schema } from './contract.fixture.ts';

export const UNKNOWN_FIELD = 'nosuchfield';

type Resolve = (schema: Schema) => Schema;
type Fields = Readonly<Record<string, unknown>>;

/** A value that a schema refuses. */
export interface Wrong {
  readonly value: unknown;
  /** Dotted path of the field that is wrong. */
  readonly field: string;
  readonly why: string;
}

/** The least that fits: of an object, the required fields. */
export function sampleOf(given: Schema, resolve: Resolve): unknown {
  const schema = resolve(given);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const [choice] = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  if (choice !== undefined) return sampleOf(choice, resolve);
  switch (typeOf(schema)) {
    case 'object': {
      const required = schema.required ?? [];
      return Object.fromEntries(required.map((name) => [name, sampleOf(schema.properties?.[name] ?? {}, resolve)]));
    }
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => sampleOf(schema.items ?? {}, resolve));
    case 'integer':
    case 'number':
      return Math.max(1, schema.minimum ?? 1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return 'x'.repeat(Math.max(1, schema.minLength ?? 1));
  }
}

/** Bodies with one field too much: at the top, and in every object below it. */
export function withUnknown(given: Schema, resolve: Resolve): readonly unknown[] {
  const schema = resolve(given);
  if (schema.items !== undefined) return withUnknown(schema.items, resolve).map((one) => [one]);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.flatMap((choice) => withUnknown(choice, resolve));
  const { properties, additionalProperties: more } = schema;
  if (typeof more === 'object') return withUnknown(more, resolve).map((one) => ({ x: one }));
  if (properties === undefined) return [];
  // Constants tell the kinds of one field from each other.
  const kind = Object.entries(properties).flatMap(([name, one]) =>
    one.const === undefined && one.enum?.length !== 1 ? [] : [[name, one.const ?? one.enum?.[0]]],
  );
  return [
    { ...Object.fromEntries(kind), [UNKNOWN_FIELD]: 1 },
    ...Object.entries(properties).flatMap(([name, one]) =>
      withUnknown(one, resolve).map((below) => ({ [name]: below })),
    ),
  ];
}

/** Objects with one thing wrong, around a sample that fits. Fields of a union are wrong as a whole. */
export function wrongObjects(given: Schema, resolve: Resolve, sample = sampleOf(given, resolve)): readonly Wrong[] {
  const schema = resolve(given);
  const whole = sample as Fields;
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).flatMap(([name, of]): readonly Wrong[] => {
    const { [name]: _, ...without } = whole;
    const missing: readonly Wrong[] = required.includes(name)
      ? [{ value: without, field: name, why: `without ${name}` }]
      : [];
    const put = (one: Wrong): Wrong => ({
      ...{ value: { ...whole, [name]: one.value }, why: one.why },
      field: one.field === '' ? name : `${name}.${one.field}`,
    });
    return [...missing, ...[...wrongValues(of, name, resolve), ...wrongInside(of, name, resolve)].map(put)];
  });
}

/** Objects, lists and records with one thing wrong in them. */
function wrongInside(given: Schema, name: string, resolve: Resolve): readonly Wrong[] {
  const schema = resolve(given);
  const { items, additionalProperties: values } = schema;
  if (schema.properties !== undefined) return wrongObjects(schema, resolve);
  const within = (key: string, of: Schema, put: (value: unknown) => unknown): readonly Wrong[] =>
    wrongValues(of, `${name} with one`, resolve).map(({ value, why }) => ({ value: put(value), field: key, why }));
  if (items !== undefined) return within('0', items, (value) => [value]);
  return typeof values === 'object' ? within('x', values, (value) => ({ x: value })) : [];
}

const KINDS: Readonly<Record<string, unknown>> = {
  ...{ string: 'text', number: 1.5, boolean: true, null: null, array: [[]], object: { [UNKNOWN_FIELD]: 1 } },
};

/** Values of other kinds than a schema allows, and beyond its limits. */
export function wrongValues(given: Schema, name: string, resolve: Resolve): readonly Wrong[] {
  const schema = resolve(given);
  const kinds = kindsOf(schema, resolve);
  const wrong = (value: unknown, why: string): Wrong => ({ value, field: '', why: `${name} ${why}` });
  if (kinds === undefined) return [];
  const others = Object.entries(KINDS).flatMap(([kind, value]) =>
    kinds.has(kind) ? [] : [wrong(value, `that is ${JSON.stringify(value)}`)],
  );
  // A field that can be several things has limits in each of them.
  if (schema.anyOf !== undefined || schema.oneOf !== undefined) return others;
  const limits: Wrong[] = [];
  const { minLength = 0, maxLength, minimum, exclusiveMinimum, maximum, maxItems } = schema;
  if (schema.enum !== undefined || schema.const !== undefined) limits.push(wrong('nosuchvalue', 'that is not listed'));
  if (minLength > 0) limits.push(wrong('', 'that is empty'));
  if (maxLength !== undefined && maxLength < 100_000) limits.push(wrong('x'.repeat(maxLength + 1), 'that is too long'));
  if (minimum !== undefined) limits.push(wrong(minimum - 1, 'that is too little'));
  if (exclusiveMinimum !== undefined) limits.push(wrong(exclusiveMinimum, 'that is too little'));
  if (maximum !== undefined) limits.push(wrong(maximum + 1, 'that is too much'));
  if (maxItems !== undefined)
    limits.push(
      wrong(
        Array.from({ length: maxItems + 1 }, () => 'x'),
        'that is too many',
      ),
    );
  return [...others, ...limits];
}

const typeOf = ({ type, properties }: Schema): string | undefined =>
  typeof type === 'string' ? type : (type?.[0] ?? (properties === undefined ? undefined : 'object'));

/** Kinds of JSON that a schema allows; undefined: any. `number` is there for `integer` as well. */
function kindsOf(given: Schema, resolve: Resolve): ReadonlySet<string> | undefined {
  const schema = resolve(given);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    const all = choices.map((choice) => kindsOf(choice, resolve));
    if (all.some((one) => one === undefined)) return undefined;
    return new Set(all.flatMap((one) => [...(one ?? [])]));
  }
  const listed = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  if (listed !== undefined) return new Set(listed.map((value) => (value === null ? 'null' : typeof value)));
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  if (types === undefined) return schema.properties === undefined ? undefined : new Set(['object']);
  return new Set(types);
}
