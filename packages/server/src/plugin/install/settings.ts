// What the config file says of plugins: `plugins.entries.<id>`. Each entry is read by itself: what is wrong with one is told
// and closes that one, and neither the other plugins nor the gateway have anything to do with it.

import { z } from 'zod';
import { type Grants, NONE, readGrants } from '../grant/grants.ts';
import { isPluginId } from './plugin-id.ts';

export interface PluginSettings {
  readonly id: string;
  /** False also where the entry could not be read. */
  readonly isEnabled: boolean;
  readonly grants: Grants;
  /** For the plugin; checked by the schema in its manifest, not here. Undefined: nothing is said. */
  readonly config: unknown;
  /** It may run where the network cannot be closed, without a grant of the network. */
  readonly allowsRestricted: boolean;
}

/** Of the config file. Whatever the entries are is looked at below, and never keeps the file from being in force. */
export const PluginsShape = z.strictObject({ entries: z.unknown().optional() });

export type Tell = (at: readonly string[], message: string) => void;

const KEYS = ['enabled', 'permissions', 'config', 'allowRestricted'];

/** `tell`: where, below `plugins.entries`, and sentences. */
export function readPluginSettings(entries: unknown, tell: Tell): ReadonlyMap<string, PluginSettings> {
  const found = new Map<string, PluginSettings>();
  if (entries === undefined) return found;
  if (!isObject(entries)) {
    tell(
      [],
      'Expected an object, e.g. {"my-plugin": {"permissions": {"notify": true}}}. No plugin is granted anything.',
    );
    return found;
  }
  for (const [id, entry] of Object.entries(entries)) {
    if (isPluginId(id))
      found.set(
        id,
        readEntry(id, entry, (at, message) => tell([id, ...at], message)),
      );
    else
      tell(
        [id],
        `"${id}" cannot be a plugin: 1 to 64 of a-z, 0-9 and single -, beginning with a letter. It is left out.`,
      );
  }
  return found;
}

function readEntry(id: string, entry: unknown, tell: Tell): PluginSettings {
  if (!isObject(entry)) {
    tell([], `Expected an object, e.g. {"permissions": {"notify": true}}. The plugin "${id}" stays off.`);
    return Object.freeze({ id, isEnabled: false, grants: NONE, config: undefined, allowsRestricted: false });
  }
  for (const key of Object.keys(entry)) {
    if (!KEYS.includes(key)) tell([key], `There is no setting "${key}" here. It is passed over.`);
  }
  const { enabled = true, permissions, config, allowRestricted = false } = own(entry);
  if (typeof enabled !== 'boolean') tell(['enabled'], `Expected true or false. The plugin "${id}" stays off.`);
  if (typeof allowRestricted !== 'boolean') tell(['allowRestricted'], 'Expected true or false. It is taken for false.');
  return Object.freeze({
    id,
    isEnabled: enabled === true,
    grants: readGrants(permissions, (at, message) => tell(['permissions', ...at], message)),
    config,
    allowsRestricted: allowRestricted === true,
  });
}

/** Nothing of a prototype, whatever its keys are called. */
function own(entry: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const key of KEYS) if (Object.hasOwn(entry, key)) copy[key] = entry[key];
  return copy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
