// The input schema of a plugin's tool, and the validation of an agent's input.

import { BinnacleError, hiddenLetter } from '@binnacle/protocol';
import {
  BOUNDS,
  faultOfSchema,
  INPUT_KEYWORDS,
  isObject,
  type Json,
  type SchemaRules,
} from '../install/json-schema.ts';

const CLOSED = new Set(['__proto__', 'constructor', 'prototype']);

/** Maximum characters of a schema: every agent reads all of it, each time. */
const MAX_SCHEMA_CHARS = 16_384;
const MAX_SCHEMA_DEPTH = 8;
const MAX_PROPERTIES = 64;
const MAX_NAME = 64;
const MAX_ENUM = 200;
/** Maximum depth of an input that the runtime of a plugin accepts, with its envelope. */
const MAX_INPUT_DEPTH = 64;

/** Returns the first error of a schema, for people; undefined for a supported schema. */
export function faultOfToolSchema(schema: Json): string | undefined {
  // The schema arrived as JSON within the depth limit of the wire.
  let letter: string | undefined;
  const text = JSON.stringify(schema, (key, value: unknown) => {
    letter ??= hiddenLetter(key) ?? (typeof value === 'string' ? hiddenLetter(value) : undefined);
    return value;
  });
  if (text.length > MAX_SCHEMA_CHARS) return `its input is described by more than ${MAX_SCHEMA_CHARS} characters`;
  // An agent reads everything, including names of fields and enum values.
  if (letter !== undefined) return `input: it holds ${letter}, which nobody sees`;
  if (schema.type !== 'object') return 'input: its type must be "object"';
  return faultOfSchema(schema, 'input', RULES);
}

/**
 * Validates input by a schema without errors. Returns the input with defaults filled in. Throws `bad_request`, which
 * names the field.
 */
export function checkToolInput(schema: Json, input: unknown): Json {
  const tooDeep = depthOf(input) > MAX_INPUT_DEPTH;
  const read = tooDeep ? wrong('', `nested deeper than ${MAX_INPUT_DEPTH}`) : readValue(schema, input ?? {}, '');
  if (read instanceof InvalidInput) {
    throw new BinnacleError('bad_request', {
      message: `${read.at === '' ? 'The arguments' : `"${read.at}"`}: ${read.why}.`,
      hint: 'See tools/list for the arguments of the tool.',
      details: { in: 'arguments', field: read.at },
    });
  }
  return read as Json;
}

/** Stricter than settings, because every agent reads the schema: each field is named and typed. */
const RULES: SchemaRules = {
  taken: INPUT_KEYWORDS,
  maxDepth: MAX_SCHEMA_DEPTH,
  keywords(schema, at) {
    const bound = BOUNDS.find((key) => schema[key] !== undefined && !Number.isFinite(schema[key]));
    if (bound !== undefined) return `${at}.${bound}: a number`;
    for (const key of ['title', 'description', '$schema']) {
      if (schema[key] !== undefined && typeof schema[key] !== 'string') return `${at}.${key}: a text`;
    }
    const { enum: choices } = schema;
    if (choices !== undefined && !(Array.isArray(choices) && choices.length <= MAX_ENUM && choices.every(isPlain))) {
      return `${at}.enum: a list of at most ${MAX_ENUM} texts, numbers and booleans`;
    }
    if (schema.const !== undefined && !isPlain(schema.const)) return `${at}.const: a text, a number or a boolean`;
    return undefined;
  },
  properties(names, at) {
    if (names.length > MAX_PROPERTIES) return `${at}: at most ${MAX_PROPERTIES} of them`;
    const wrongName = names.find((name) => name === '' || name.length > MAX_NAME || CLOSED.has(name));
    return wrongName === undefined ? undefined : `${at}: "${wrongName.slice(0, MAX_NAME)}" is no name`;
  },
  whole(schema, at) {
    const { properties = {}, required = [] } = schema;
    const isNamed = (name: unknown): boolean => typeof name === 'string' && Object.hasOwn(properties as object, name);
    if (!(Array.isArray(required) && required.every(isNamed)))
      return `${at}.required: a list of names that are in properties`;
    if (schema.default === undefined) return undefined;
    const read = readValue(schema, schema.default, '');
    return read instanceof InvalidInput ? `${at}.default: ${read.why}` : undefined;
  },
};

class InvalidInput {
  readonly at: string;
  readonly why: string;

  constructor(at: string, why: string) {
    this.at = at;
    this.why = why;
  }
}
const wrong = (at: string, why: string): InvalidInput => new InvalidInput(at, why);

/**
 * Validates a value, up to the first error. Parts without a schema are accepted as they are: their depth was checked
 * before.
 */
function readValue(schema: Json, value: unknown, at: string): unknown {
  const { type, enum: choices } = schema;
  if (!isOfType(type, value)) return wrong(at, type === 'integer' ? 'a whole number' : `of the type ${String(type)}`);
  if (Array.isArray(choices) && !choices.includes(value))
    return wrong(at, `one of ${JSON.stringify(choices).slice(0, 500)}`);
  if (schema.const !== undefined && schema.const !== value)
    return wrong(at, JSON.stringify(schema.const).slice(0, 500));
  const bound = boundOf(schema, value);
  if (bound !== undefined) return wrong(at, bound);
  if (Array.isArray(value)) return readItems(schema, value, at);
  return isObject(value) ? readProperties(schema, value, at) : value;
}

function readItems({ items }: Json, list: readonly unknown[], at: string): unknown {
  if (!isObject(items)) return list;
  const read: unknown[] = [];
  for (const [index, item] of list.entries()) {
    const one = readValue(items, item, at === '' ? String(index) : `${at}.${index}`);
    if (one instanceof InvalidInput) return one;
    read.push(one);
  }
  return read;
}

function readProperties(schema: Json, object: Json, at: string): unknown {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Json>>;
  const required = (schema.required ?? []) as readonly string[];
  const path = (name: string): string => (at === '' ? '' : `${at}.`) + name.slice(0, MAX_NAME);
  const read = new Map<string, unknown>();
  for (const [name, value] of Object.entries(object)) {
    const inner = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (inner === undefined) {
      // Such a name invites prototype pollution in a plugin.
      if (schema.additionalProperties === false || CLOSED.has(name)) return wrong(path(name), 'not known');
      read.set(name, value);
      continue;
    }
    // A null for an optional field means that the field is absent.
    if (value === null && !required.includes(name)) continue;
    const one = readValue(inner, value, path(name));
    if (one instanceof InvalidInput) return one;
    read.set(name, one);
  }
  for (const [name, inner] of Object.entries(properties)) {
    if (!read.has(name) && inner.default !== undefined) read.set(name, inner.default);
  }
  const missing = required.find((name) => !read.has(name));
  return missing === undefined ? Object.fromEntries(read) : wrong(path(missing), 'missing');
}

function isOfType(type: unknown, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function boundOf(schema: Json, value: unknown): string | undefined {
  const [size, least, most, unit] =
    typeof value === 'number'
      ? [value, schema.minimum, schema.maximum, '']
      : typeof value === 'string'
        ? [[...value].length, schema.minLength, schema.maxLength, ' characters']
        : Array.isArray(value)
          ? [value.length, schema.minItems, schema.maxItems, ' items']
          : [0, undefined, undefined, ''];
  if (typeof least === 'number' && size < least) return `at least ${least}${unit}`;
  if (typeof most === 'number' && size > most) return `at most ${most}${unit}`;
  return undefined;
}

function depthOf(value: unknown): number {
  let depth = 0;
  for (let level = [value]; level.length > 0 && depth <= MAX_INPUT_DEPTH; depth += 1) {
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return depth;
}

const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);
