// The schema of a plugin's settings in its manifest, by which the gateway itself validates the settings. Runs no code of
// the plugin.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import { faultOfSchema, isObject, SETTINGS_KEYWORDS } from './json-schema.ts';

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

/** `strict-json.ts` has limited the depth. */
const RULES = { taken: SETTINGS_KEYWORDS, isTypeOptional: true };
const MAX_SHOWN = 100;
const MAX_SHOWN_CHARS = 200;

/** Parses a schema. `wrong`: the error, for people. */
export function readConfigSchema(value: unknown): { readonly schema: ConfigSchema } | { readonly wrong: string } {
  const wrong = faultOfSchema(value, 'config', RULES);
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
