// An installed plugin whose files can no longer be read. It can be listed and removed, and its hooks that fail closed
// keep refusing.

import type { BinnacleError, PluginInfo } from '@binnacle/protocol';
import type { Gate } from './grant/gate.ts';
import { needOf, type OfferInForce, type OfferOf } from './offers/offers.ts';
import type { StoredOffers } from './offers/stored-offers.ts';
import { offersOf, problemOf } from './plugin-info.ts';

export interface BrokenParts {
  readonly id: string;
  readonly problem: BinnacleError;
  readonly gate: Gate;
  readonly storedOffers: StoredOffers;
  isEnabled(): boolean;
}

export class BrokenPlugin {
  readonly #parts: BrokenParts;

  constructor(parts: BrokenParts) {
    this.#parts = parts;
  }

  get problem(): BinnacleError {
    return this.#parts.problem;
  }

  get info(): PluginInfo {
    const { id, problem, gate, storedOffers, isEnabled } = this.#parts;
    return {
      id,
      name: id,
      version: '',
      description: '',
      level: null,
      state: isEnabled() ? 'refused' : 'off',
      problem: problemOf(problem),
      permissions: [],
      offers: offersOf(id, storedOffers.read(undefined), gate),
      settings: [],
      missing: [],
      pid: null,
      memoryBytes: null,
      restarts: 0,
      installedAt: 0,
    };
  }

  hooks(): OfferInForce<OfferOf<'hook'>>[] {
    const { id, problem, gate, storedOffers, isEnabled } = this.#parts;
    if (!isEnabled()) return [];
    return storedOffers.read(undefined).flatMap((offer) => {
      const { permission, args } = needOf(offer);
      if (offer.kind !== 'hook' || !gate.holds(permission, args)) return [];
      const refuse = (): Promise<never> => Promise.reject(problem);
      return [{ plugin: id, offer, invoke: refuse, invokeOther: refuse, note: () => undefined }];
    });
  }
}
