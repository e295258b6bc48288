// The schema of a plugin's settings in its manifest: a subset of JSON Schema that can neither hang nor fetch, so that
// the gateway itself can validate the settings. Runs no code of the plugin.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';

/** Allowed keywords. No patterns, which can take hours (ReDoS); no references, which can be circular. */
const KEYWORDS = new Set([
  '$schema',
  'type',
  'title',
  'description',
  'default',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'enum',
  'const',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
]);
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean'];

export interface ConfigSchema {
  /** The schema as it is in the manifest, for the viewer. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Keys of the first level, for people. */
  readonly settings: readonly Setting[];
  /** Returns the settings with defaults filled in. Throws `bad_plugin_config`. */
  check(plugin: string, value: unknown): unknown;
}

export interface Setting {
  readonly key: string;
  readonly description: string;
  /** True if the key is required and has no default. */
  readonly isRequired: boolean;
}

const MAX_SHOWN = 100;
const MAX_SHOWN_CHARS = 200;

/** Parses a schema. `wrong`: the error, for people. */
export function readConfigSchema(value: unknown): { readonly schema: ConfigSchema } | { readonly wrong: string } {
  const wrong = faultOf(value, 'config');
  if (wrong !== undefined) return { wrong };
  const json = value as Record<string, unknown>;
  if (json.type !== 'object') return { wrong: 'config: its type must be "object"' };
  let shape: z.ZodType;
  try {
    shape = z.fromJSONSchema(json);
  } catch (error) {
    return { wrong: `config: ${error instanceof Error ? error.message.slice(0, 200) : 'it cannot be read'}` };
  }
  const settings = settingsIn(json);
  return { schema: { json, settings, check: (plugin, values) => check(shape, settings, plugin, values) } };
}

function settingsIn({ properties = {}, required = [] }: Readonly<Record<string, unknown>>): Setting[] {
  const needs: unknown[] = Array.isArray(required) ? required : [];
  const found = Object.entries(isObject(properties) ? properties : {}).map(([key, property]): Setting => {
    const { description = '', default: otherwise } = isObject(property) ? property : {};
    const text = typeof description === 'string' ? description.slice(0, MAX_SHOWN_CHARS) : '';
    return { key, description: text, isRequired: needs.includes(key) && otherwise === undefined };
  });
  return found.filter(({ key }) => key.length <= MAX_SHOWN_CHARS).slice(0, MAX_SHOWN);
}

function check(shape: z.ZodType, settings: readonly Setting[], plugin: string, values: unknown): unknown {
  const read = shape.safeParse(values ?? {});
  if (read.success) return read.data;
  const set = isObject(values) ? values : {};
  const missing = settings.filter(({ key, isRequired }) => isRequired && !Object.hasOwn(set, key));
  if (missing.length > 0 && (values === undefined || isObject(values))) throw unset(plugin, missing);
  const [issue] = read.error.issues;
  const key = [`plugins.entries.${plugin}.config`, ...(issue?.path ?? []).map(String)].join('.');
  throw new BinnacleError('bad_plugin_config', {
    message: `${key}: ${issue?.message ?? 'it does not match the manifest'}.`,
    hint: `Correct ${key} in the config file.`,
    details: { plugin, key },
  });
}

function unset(plugin: string, missing: readonly Setting[]): BinnacleError {
  const key = `plugins.entries.${plugin}.config`;
  const names = missing.map((one) => one.key);
  return new BinnacleError('bad_plugin_config', {
    message: `It needs settings: ${names.join(', ')}.`,
    hint: `Set ${key} in the config file: {${names.map((name) => `${JSON.stringify(name)}: …`).join(', ')}}. It starts once they are there.`,
    details: { plugin, key, missing: names },
  });
}

/** Returns the first error. `strict-json.ts` has limited the depth. */
function faultOf(value: unknown, at: string): string | undefined {
  if (!isObject(value)) return `${at}: a schema is an object`;
  for (const key of Object.keys(value)) {
    if (!KEYWORDS.has(key)) return `${at}: "${key}" is not taken; these are: ${[...KEYWORDS].join(', ')}`;
  }
  const { type, properties, items, additionalProperties } = value;
  if (
    type === undefined
      ? value.enum === undefined && value.const === undefined
      : !TYPES.includes(String(type)) || typeof type !== 'string'
  ) {
    return `${at}: type is one of ${TYPES.join(', ')}`;
  }
  if (additionalProperties !== undefined && typeof additionalProperties !== 'boolean') {
    return `${at}.additionalProperties: true or false`;
  }
  if (items !== undefined) {
    const wrong = faultOf(items, `${at}.items`);
    if (wrong !== undefined) return wrong;
  }
  if (properties === undefined) return undefined;
  if (!isObject(properties)) return `${at}.properties: an object`;
  for (const [name, inner] of Object.entries(properties)) {
    const wrong = faultOf(inner, `${at}.properties.${name}`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
