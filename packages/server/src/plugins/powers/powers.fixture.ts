// Powers behind a real gate on this machine, and what becomes of a call.

import { BinnacleError } from '@binnacle/protocol';
import type { MachineFacts } from '../grant/calls.ts';
import { type Decision, Gate } from '../grant/gate.ts';
import { readGrants } from '../grant/grants.ts';
import { thisMachine } from '../grant/world.ts';
import type { Power } from './powers.ts';

export interface GatedPowers {
  /** What comes back; the code where it is refused. */
  ask(method: string, params: unknown, signal?: AbortSignal): Promise<unknown>;
  /** What it is refused with. */
  refusal(method: string, params: unknown): Promise<BinnacleError>;
  /** The config file was changed. */
  grant(permissions: unknown): void;
  readonly decisions: readonly Decision[];
}

/** `permissions`: as the config file says it. */
export function gatedPowers(
  powers: Readonly<Record<string, Power>>,
  permissions: unknown,
  { plugin = 'probe', world = {} }: { readonly plugin?: string; readonly world?: Partial<MachineFacts> } = {},
): GatedPowers {
  const decisions: Decision[] = [];
  const gate = new Gate({
    plugin,
    grants: granted(permissions),
    world: { ...thisMachine(process.env.PATH ?? ''), ...world },
    audit: (decision) => void decisions.push(decision),
  });
  const call = async (method: string, params: unknown, signal = new AbortController().signal): Promise<unknown> =>
    await powers[method]?.(params, { plugin, gate, signal });
  return {
    decisions,
    grant: (next) => gate.replace(granted(next)),
    ask: async (method, params, signal) => {
      try {
        return await call(method, params, signal);
      } catch (error) {
        if (error instanceof BinnacleError) return error.code;
        throw error;
      }
    },
    refusal: async (method, params) => {
      const answer = await call(method, params).catch((error: unknown) => error);
      if (answer instanceof BinnacleError) return answer;
      throw new Error(`It was not refused: ${JSON.stringify(answer)}`);
    },
  };
}

const granted = (permissions: unknown) =>
  readGrants(permissions, (at, message) => {
    throw new Error(`${at.join('.')}: ${message}`);
  });
