// Inheritance of a plugin from an earlier one with the same id: told to the person who is asked. Pure.

import { BinnacleError, type PluginInherits } from '@binnacle/protocol';
import type { PluginSettings } from '../config/plugin-settings.ts';
import { grantIn } from './grant/grants.ts';
import { PERMISSION_NAMES } from './grant/permissions.ts';

/** Whether it gets what there is of the plugin before it. */
export type Inherit = 'all' | 'nothing';

/**
 * `from`: the folder that the installed one came from; null where that was not written down. Null: it comes from the same
 * folder, or there is nothing to get.
 *
 * @example
 * inheritanceOf({ from: '/old', to: '/new', settings, values: 3 })?.permissions // ['storage']
 */
export function inheritanceOf(of: {
  readonly from: string | null;
  readonly to: string;
  readonly settings: PluginSettings;
  /** Stored values. */
  readonly values: number;
}): PluginInherits | null {
  const { from, to, settings, values } = of;
  if (from === to) return null;
  const { grants, config, isTrusted, allowsRestricted } = settings;
  const permissions = PERMISSION_NAMES.filter((name) => grantIn(grants, name).kind !== 'denied');
  const said = { config: config !== undefined, trusted: isTrusted, allowRestricted: allowsRestricted };
  const names = Object.entries(said).flatMap(([name, isSaid]) => (isSaid ? [name] : []));
  if (permissions.length + names.length + values === 0) return null;
  return { from, permissions, settings: names, values };
}

export const otherOrigin = (plugin: string, inherits: PluginInherits): BinnacleError =>
  new BinnacleError('other_origin', {
    message: `The plugin "${plugin}" comes from another folder than the one that is installed${inherits.from === null ? '' : ` (${inherits.from})`}.`,
    details: { plugin, inherits },
  });
