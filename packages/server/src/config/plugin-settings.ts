// The plugin settings of the config file: `plugins.entries.<id>`. Each entry is parsed on its own: a faulty entry is
// reported and disables that plugin, and affects neither the other plugins nor the gateway.

import { z } from 'zod';
import { type Grants, grantIn, NONE, readGrants } from '../plugins/grant/grants.ts';
import { isPluginId } from './plugin-id.ts';

export interface PluginSettings {
  readonly id: string;
  /** False also if the entry could not be read. */
  readonly isEnabled: boolean;
  readonly grants: Grants;
  /** Config for the plugin; validated by the schema in its manifest, not here. Undefined: no config. */
  readonly config: unknown;
  /** True if the plugin may run where the network cannot be closed, without a grant of the network. */
  readonly allowsRestricted: boolean;
  /** True if the plugin runs without a sandbox, with the rights of the gateway. Only the operator can set this. */
  readonly isTrusted: boolean;
}

/** Returns the settings of a plugin that the file does not mention: enabled, and without grants. */
export const defaultSettings = (id: string): PluginSettings =>
  Object.freeze({
    id,
    isEnabled: true,
    grants: NONE,
    config: undefined,
    allowsRestricted: false,
    isTrusted: false,
  });

/** Schema of the section. Entries of any type are checked below, and never keep the file from being in force. */
export const PluginsShape = z.strictObject({ entries: z.unknown().optional() });

export interface LevelPolicy {
  /** True if the plugin may connect to every host anyway, so that an open network gives it nothing more. */
  readonly mayUseAnyHost: boolean;
  /** True if the operator accepts `restricted` for this plugin (`plugins.entries.<id>.allowRestricted`). */
  readonly allowRestricted: boolean;
  /** True if the operator wants no sandbox for this plugin. */
  readonly trusted: boolean;
}

/** Returns the settings that determine the sandbox level of a plugin. */
export function policyOf({ grants, allowsRestricted, isTrusted }: PluginSettings): LevelPolicy {
  const net = grantIn(grants, 'net');
  const mayUseAnyHost = net.kind === 'all' || (net.kind === 'narrowed' && net.items.includes('*'));
  return { mayUseAnyHost, allowRestricted: allowsRestricted, trusted: isTrusted };
}

export type ReportProblem = (at: readonly string[], message: string) => void;

const KEYS = ['enabled', 'permissions', 'config', 'allowRestricted', 'trusted'];

/** Reads all entries. `report`: called with the path below `plugins.entries` and sentences. */
export function readPluginSettings(entries: unknown, report: ReportProblem): ReadonlyMap<string, PluginSettings> {
  const found = new Map<string, PluginSettings>();
  if (entries === undefined) return found;
  if (!isObject(entries)) {
    report(
      [],
      'Expected an object, e.g. {"my-plugin": {"permissions": {"notify": true}}}. No plugin is granted anything.',
    );
    return found;
  }
  for (const [id, entry] of Object.entries(entries)) {
    if (isPluginId(id))
      found.set(
        id,
        readEntry(id, entry, (at, message) => report([id, ...at], message)),
      );
    else
      report(
        [id],
        `"${id}" cannot be a plugin: 1 to 64 of a-z, 0-9 and single -, beginning with a letter. It is left out.`,
      );
  }
  return found;
}

function readEntry(id: string, entry: unknown, report: ReportProblem): PluginSettings {
  if (!isObject(entry)) {
    report([], `Expected an object, e.g. {"permissions": {"notify": true}}. The plugin "${id}" stays off.`);
    return Object.freeze({ ...defaultSettings(id), isEnabled: false });
  }
  for (const key of Object.keys(entry)) {
    if (!KEYS.includes(key)) report([key], `There is no setting "${key}" here. It is ignored.`);
  }
  const { enabled = true, permissions, config, allowRestricted = false, trusted = false } = own(entry);
  if (typeof enabled !== 'boolean') report(['enabled'], `Expected true or false. The plugin "${id}" stays off.`);
  if (typeof allowRestricted !== 'boolean')
    report(['allowRestricted'], 'Expected true or false. The value false is used.');
  if (typeof trusted !== 'boolean') report(['trusted'], 'Expected true or false. The value false is used.');
  return Object.freeze({
    id,
    isEnabled: enabled === true,
    grants: readGrants(permissions, (at, message) => report(['permissions', ...at], message)),
    config,
    allowsRestricted: allowRestricted === true,
    isTrusted: trusted === true,
  });
}

/** Copies the own properties, whatever their names: none of a prototype. */
function own(entry: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const key of KEYS) if (Object.hasOwn(entry, key)) copy[key] = entry[key];
  return copy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
