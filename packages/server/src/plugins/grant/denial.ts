// What a plugin is told that may not: which plugin, which permission, and the key of the config file that grants it.

import { BinnacleError } from '@binnacle/protocol';
import { type Grant, narrowed, spellGrant } from './grants.ts';
import { configKey, type PermissionName, permission } from './permissions.ts';

export interface Denial {
  readonly plugin: string;
  readonly permission: PermissionName;
  /** The key of the config file. */
  readonly key: string;
  /** With this value the same call is allowed, and all that was allowed before is, too. */
  readonly value: boolean | Readonly<Record<string, readonly string[]>>;
}

/** `opener`: the item of a list that opens the call; true where only the whole permission does. */
export function denied(plugin: string, name: PermissionName, had: Grant, opener: string | true): BinnacleError {
  const key = configKey(plugin, name);
  const value = spellGrant(name, granting(name, had, opener));
  const what = opener === true ? '' : ` (${opener})`;
  return new BinnacleError('permission_denied', {
    message: `The plugin "${plugin}" may not ${permission(name).sentence}${what}: it lacks the permission ${name}.`,
    hint: `Set ${key} to ${JSON.stringify(value)} in the config file, or run binnacle plugin grant.`,
    details: { plugin, permission: name, key, value } satisfies Denial,
  });
}

/** No config grants it, so none is named. */
export function neverGranted(plugin: string, name: PermissionName, why: string): BinnacleError {
  return new BinnacleError('not_grantable', {
    message: `The plugin "${plugin}" may not do that, whatever its permission ${name} says: ${why}.`,
    details: { plugin, permission: name },
  });
}

function granting(name: PermissionName, had: Grant, opener: string | true): Grant {
  const { narrowing } = permission(name);
  if (opener === true || narrowing === null) return { kind: 'all' };
  if (had.kind === 'denied') return narrowed([opener]);
  if (had.kind === 'narrowed') return narrowed([...had.items, opener]);
  // A list takes the place of `true`, and must not take away what that opened.
  return narrowed(narrowing.all === undefined ? [opener] : [narrowing.all, opener]);
}
