// The description of a plugin in the API. Pure.

import type { BinnacleError, PluginOffer, PluginPermission, PluginProblem, PluginSetting } from '@binnacle/protocol';
import type { Gate } from './grant/gate.ts';
import { DENIED, type Grants, grantIn, lacking, spellGrant, together, wider } from './grant/grants.ts';
import { configKey, PERMISSION_NAMES, type PermissionName, permission } from './grant/permissions.ts';
import type { Manifest } from './install/manifest.ts';
import { needOf, type Offer } from './offers/offers.ts';

/**
 * Lists the permissions that a plugin requests or has. `needed`: permissions with a denied call, or with an offer that
 * is not in force.
 */
export function permissionsOf(
  { id, asks }: Manifest,
  grants: Grants,
  needed: ReadonlySet<PermissionName> = new Set(),
): PluginPermission[] {
  return PERMISSION_NAMES.flatMap((name): PluginPermission[] => {
    const request = asks.get(name);
    const granted = grantIn(grants, name);
    if (request === undefined && granted.kind === 'denied') return [];
    const requested = request?.grant ?? DENIED;
    const missing = lacking(name, granted, requested);
    const { sentence, narrowing } = permission(name);
    return [
      {
        permission: name,
        sentence,
        asked: request === undefined ? false : spellGrant(name, request.grant),
        reason: request?.reason ?? '',
        granted: spellGrant(name, granted),
        key: configKey(id, name),
        missing: missing === undefined ? false : spellGrant(name, missing),
        narrowed: missing === undefined && wider(name, granted, requested) !== undefined,
        needed: missing !== undefined && needed.has(name),
        both: spellGrant(name, together(name, granted, requested)),
        limits: narrowing === null ? null : narrowing.items.replaceAll('`', ''),
      },
    ];
  });
}

export function settingsOf({ config }: Manifest, values: unknown): PluginSetting[] {
  const set = typeof values === 'object' && values !== null ? values : {};
  return (config?.settings ?? []).map((one) => ({ ...one, isSet: Object.hasOwn(set, one.key) }));
}

export function offersOf(plugin: string, offers: readonly Offer[], gate: Gate): PluginOffer[] {
  return offers.map((offer) => {
    const { permission, args } = needOf(offer);
    return {
      kind: offer.kind,
      name: nameOf(plugin, offer),
      description: 'description' in offer ? offer.description : '',
      inForce: gate.holds(permission, args),
      permission,
    };
  });
}

export const problemOf = ({ code, message, hint }: BinnacleError): PluginProblem => ({
  code,
  message,
  hint: hint ?? null,
});

function nameOf(plugin: string, offer: Offer): string {
  switch (offer.kind) {
    case 'hook':
      return offer.on;
    case 'route':
      return `${offer.method} /plugins/${plugin}${offer.path === '/' ? '' : offer.path}${offer.isPublic ? ' (public)' : ''}`;
    case 'command':
      return `/${offer.name}`;
    case 'driver':
      return `${plugin}/${offer.name}`;
    case 'job':
      return `${offer.name}, every ${offer.everyMs / 1000} s`;
    case 'tool':
    case 'channel':
      return offer.name;
  }
}
