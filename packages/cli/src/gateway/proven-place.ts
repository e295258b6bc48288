// The gateway for what asks at once, again and again: known from the moment in which the gateway has proved itself.

import { whoAnswers } from '@binnacle/server/data-directory';
import type { NamedGateway, Place } from './address.ts';

export class ProvenPlace {
  readonly #name: () => NamedGateway;
  /** Key of the gateway that has proved itself. A gateway that is started again has another one. */
  #proven: string | undefined;
  #checking: Promise<void> | undefined;

  /** `name` says which gateway is meant now; what it throws passes through. */
  constructor(name: () => NamedGateway) {
    this.#name = name;
  }

  /** Returns undefined while the gateway has not proved itself; the proof is under way then. */
  get current(): Place | undefined {
    const named = this.#name();
    if (named.file === undefined || keyOf(named) === this.#proven) return named;
    void this.check();
    return undefined;
  }

  /** Resolves when it is known whether the gateway is the one that answers. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #look(): Promise<void> {
    try {
      const named = this.#name();
      if (named.file !== undefined && (await whoAnswers(named.file)) === 'gateway') this.#proven = keyOf(named);
    } catch {
      // None is there now; whoever asks for the place is told so.
    }
  }
}

const keyOf = ({ url, file }: NamedGateway): string => `${url} ${file?.key ?? file?.pid}`;
