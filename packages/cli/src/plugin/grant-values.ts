// Arithmetic on permission values in the format of the config file. Pure.

import type { PluginGrantValue } from '@binnacle/protocol';
import {
  DENIED,
  type Grant,
  isPermission,
  PERMISSION_NAMES,
  type PermissionName,
  readGrant,
  spellGrant,
  together,
  wider,
} from '@binnacle/server/plugin-manifest';
import { usage } from '../output/failure.ts';
import { itemsOf } from './format.ts';

/** Returns the union of two values. */
export const joined = (name: PermissionName, one: PluginGrantValue, other: PluginGrantValue): PluginGrantValue =>
  spellGrant(name, together(name, grantOf(name, one), grantOf(name, other)));

/** Returns the part of `requested` beyond `has`; false for nothing. */
export function beyond(name: PermissionName, has: PluginGrantValue, requested: PluginGrantValue): PluginGrantValue {
  const more = wider(name, grantOf(name, has), grantOf(name, requested));
  return more === undefined ? false : spellGrant(name, more);
}

function grantOf(name: PermissionName, value: PluginGrantValue): Grant {
  const read = readGrant(name, value);
  return 'wrong' in read ? DENIED : read.grant;
}

/** Removes items; false if no item is left. */
export function without(value: PluginGrantValue, items: readonly string[]): PluginGrantValue {
  if (typeof value === 'boolean') return value;
  const [key = ''] = Object.keys(value);
  const left = (itemsOf(value) ?? []).filter((item) => !items.includes(item));
  return left.length === 0 ? false : { [key]: left };
}

/** Checks the name of a permission. Throws a usage error that lists the permissions. */
export function permissionNamed(text: string): PermissionName {
  if (isPermission(text)) return text;
  throw usage(`There is no permission "${text}".`, `Use one of: ${PERMISSION_NAMES.join(', ')}`);
}

/** Converts items to the format of the config file; no items mean the whole permission. */
export function valueFrom(name: PermissionName, items: readonly string[]): PluginGrantValue {
  const read = readGrant(name, items.length === 0 ? true : items);
  if ('wrong' in read) {
    throw usage(`${name}: ${read.wrong}.`, items.length > 0 ? 'For the whole permission, name no items.' : undefined);
  }
  return spellGrant(name, read.grant);
}
