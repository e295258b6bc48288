// The isolation of a plugin, and the minimum that it needs to load. Pure.

import { BinnacleError } from '@binnacle/protocol';
import type { LevelPolicy } from '../../config/plugin-settings.ts';

/**
 * `sealed`: Node's permission flags inside bubblewrap: no network, no other process, only its own files.
 * `restricted`: Node's permission flags alone. See docs/plugins.md for what they leave open.
 * `trusted`: a process of its own with the gateway's rights, so that its crashes stay its own.
 */
export type Level = 'sealed' | 'restricted' | 'trusted';

/** The part of the findings of `probeSandbox` (packages/server/src/plugins/host/sandbox.ts) that decides the level. */
export interface IsolationFindings {
  readonly bwrap: { readonly works: true } | { readonly works: false; readonly why: string };
  /** True if Node's flags alone close the network. */
  readonly closesNetwork: boolean;
}

/** Chooses the level. Throws `plugin_refused`, which names the setting that would let the plugin load. */
export function chooseLevel(id: string, policy: LevelPolicy, walls: IsolationFindings): Level {
  if (policy.trusted) return 'trusted';
  if (walls.bwrap.works) return 'sealed';
  if (walls.closesNetwork || policy.mayUseAnyHost || policy.allowRestricted) return 'restricted';
  throw new BinnacleError('plugin_refused', {
    message: `The plugin ${id} was not loaded: it has no permission to use the network, which cannot be closed here.`,
    hint: `Repair bubblewrap (${walls.bwrap.why}), or set plugins.entries.${id}.allowRestricted to true.`,
    details: { plugin: id, key: `plugins.entries.${id}.allowRestricted`, bubblewrap: walls.bwrap.why },
  });
}
