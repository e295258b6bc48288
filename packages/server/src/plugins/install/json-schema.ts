// The subset of JSON Schema that plugins may write, for their settings and for the input of their tools. It can neither
// hang nor fetch nor be circular, so that the gateway itself can validate by it.

// Keywords. No patterns, which can take hours (ReDoS); no references, which can be circular.
const ABOUT = ['$schema', 'type', 'title', 'description', 'default'];
const PARTS = ['properties', 'required', 'additionalProperties', 'items'];
const VALUES = ['enum', 'const'];
export const BOUNDS = ['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems'];
export const SETTINGS_KEYWORDS = [...ABOUT, ...PARTS, ...VALUES, ...BOUNDS];
export const INPUT_KEYWORDS = [...ABOUT, 'examples', ...VALUES, ...PARTS, ...BOUNDS];
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean'];

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Rules of one use of schemas, beside those of all. Each function returns the first fault, for people. */
export interface SchemaRules {
  /** Keywords that are taken. */
  readonly taken: readonly string[];
  /** True if a list of values (`enum`, `const`) may stand for the type. */
  readonly isTypeOptional?: boolean;
  /** Maximum levels of schemas. Default: no limit beside that of the JSON. */
  readonly maxDepth?: number;
  /** Checks the values of keywords, before the schemas below. */
  keywords?(schema: Json, at: string): string | undefined;
  /** Checks the names of properties. */
  properties?(names: readonly string[], at: string): string | undefined;
  /** Checks a schema whose parts have no fault. */
  whole?(schema: Json, at: string): string | undefined;
}

/** Returns the first fault of a schema, for people; undefined for a supported schema. `at`: its name, `input`. */
export function faultOfSchema(schema: unknown, at: string, rules: SchemaRules, depth = 1): string | undefined {
  if (!isObject(schema)) return `${at}: a schema is an object`;
  const { taken, maxDepth = Number.POSITIVE_INFINITY } = rules;
  if (depth > maxDepth) return `${at}: nested deeper than ${maxDepth}`;
  const unknown = Object.keys(schema).find((key) => !taken.includes(key));
  if (unknown !== undefined) return `${at}: "${unknown.slice(0, 40)}" is not taken; these are: ${taken.join(', ')}`;
  const { type, properties = {}, items, additionalProperties = true } = schema;
  const hasValues = schema.enum !== undefined || schema.const !== undefined;
  const isTyped = typeof type === 'string' && TYPES.includes(type);
  if (!isTyped && !(type === undefined && rules.isTypeOptional === true && hasValues))
    return `${at}: type is one of ${TYPES.join(', ')}`;
  const fault = rules.keywords?.(schema, at);
  if (fault !== undefined) return fault;
  if (typeof additionalProperties !== 'boolean') return `${at}.additionalProperties: true or false`;
  const itemsFault = items === undefined ? undefined : faultOfSchema(items, `${at}.items`, rules, depth + 1);
  if (itemsFault !== undefined) return itemsFault;
  if (!isObject(properties)) return `${at}.properties: an object`;
  const nameFault = rules.properties?.(Object.keys(properties), `${at}.properties`);
  if (nameFault !== undefined) return nameFault;
  for (const [name, inner] of Object.entries(properties)) {
    const innerFault = faultOfSchema(inner, `${at}.properties.${name}`, rules, depth + 1);
    if (innerFault !== undefined) return innerFault;
  }
  return rules.whole?.(schema, at);
}
