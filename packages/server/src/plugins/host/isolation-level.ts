// How well a plugin is shut in, and when that is not enough for it to load. Pure.

import { BinnacleError } from '@binnacle/protocol';
import type { LevelPolicy } from '../../config/plugin-settings.ts';

/**
 * `sealed`: Node's permission flags within bubblewrap: no network, no other process, no file but its own.
 * `restricted`: Node's permission flags alone. See docs/plugins.md for what they leave open.
 * `trusted`: a process of its own with the gateway's rights, so that its faults stay its own.
 */
export type Level = 'sealed' | 'restricted' | 'trusted';

/** What `probeSandbox` in packages/server/src/plugins/host/sandbox.ts found on this machine, as far as it matters here. */
export interface Walls {
  readonly bwrap: { readonly works: true } | { readonly works: false; readonly why: string };
  /** Whether Node's flags alone close the network. */
  readonly closesNetwork: boolean;
}

/** Throws `plugin_refused`, which names what would let it load. */
export function chooseLevel(id: string, policy: LevelPolicy, walls: Walls): Level {
  if (policy.trusted) return 'trusted';
  if (walls.bwrap.works) return 'sealed';
  if (walls.closesNetwork || policy.mayUseAnyHost || policy.allowRestricted) return 'restricted';
  throw new BinnacleError('plugin_refused', {
    message: `The plugin ${id} was not loaded: it has no permission to use the network, which cannot be closed here.`,
    hint: `Make bubblewrap work (${walls.bwrap.why}), or set plugins.entries.${id}.allowRestricted to true.`,
    details: { plugin: id, key: `plugins.entries.${id}.allowRestricted`, bubblewrap: walls.bwrap.why },
  });
}
