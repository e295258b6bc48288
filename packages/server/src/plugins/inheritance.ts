// The data that a plugin would inherit from an earlier plugin with the same id, for the person who decides about the
// installation. Pure.

import { BinnacleError, type PluginInherits } from '@binnacle/protocol';
import type { PluginSettings } from '../config/plugin-settings.ts';
import { grantIn } from './grant/grants.ts';
import { PERMISSION_NAMES } from './grant/permissions.ts';

/** Decision whether the new plugin gets the data of the earlier one. */
export type InheritanceDecision = 'all' | 'nothing';

/**
 * Returns the inheritance; null if the plugin comes from the same folder, or nothing can be inherited. `from`: folder
 * of the installed plugin; null if it was not recorded.
 *
 * @example
 * inheritanceOf({ from: '/old', to: '/new', settings, values: 3 })?.permissions // ['storage']
 */
export function inheritanceOf(of: {
  readonly from: string | null;
  readonly to: string;
  readonly settings: PluginSettings;
  /** Number of stored values. */
  readonly values: number;
}): PluginInherits | null {
  const { from, to, settings, values } = of;
  if (from === to) return null;
  const { grants, config, isTrusted, allowsRestricted } = settings;
  const permissions = PERMISSION_NAMES.filter((name) => grantIn(grants, name).kind !== 'denied');
  const present = { config: config !== undefined, trusted: isTrusted, allowRestricted: allowsRestricted };
  const names = Object.entries(present).flatMap(([name, isPresent]) => (isPresent ? [name] : []));
  if (permissions.length + names.length + values === 0) return null;
  return { from, permissions, settings: names, values };
}

export const otherOrigin = (plugin: string, inherits: PluginInherits): BinnacleError =>
  new BinnacleError('other_origin', {
    message: `The plugin "${plugin}" comes from another folder than the one that is installed${inherits.from === null ? '' : ` (${inherits.from})`}.`,
    details: { plugin, inherits },
  });
