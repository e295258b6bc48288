// The errors of denied calls: they name the plugin, the permission, and the key of the config file that grants it.

import { BinnacleError } from '@binnacle/protocol';
import { type Grant, narrowed, spellGrant } from './grants.ts';
import { configKey, type PermissionName, permission } from './permissions.ts';

export interface Denial {
  readonly plugin: string;
  readonly permission: PermissionName;
  /** Key of the config file. */
  readonly key: string;
  /** Value that allows this call and everything that was allowed before. */
  readonly value: boolean | Readonly<Record<string, readonly string[]>>;
}

/**
 * Makes the error of a denied call. `opener`: the list item that allows the call; true if only the whole permission
 * does.
 */
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

/** Makes the error of a call that no config can allow, and that therefore names no key. */
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
  // A list replaces `true`, and must not revoke what `true` had opened.
  return narrowed(narrowing.all === undefined ? [opener] : [narrowing.all, opener]);
}
