// Address of a gateway for repeated synchronous reads: available as soon as the gateway has proved its identity.

import { whoAnswers } from '@binnacle/server/data-directory';
import type { GatewayAddress, NamedGateway } from './address.ts';

export class ProvenAddress {
  readonly #name: () => NamedGateway;
  /** Key of the gateway that has proved its identity. A restarted gateway has another key. */
  #proven: string | undefined;
  #checking: Promise<void> | undefined;

  /** `name` returns the current gateway; its errors pass through. */
  constructor(name: () => NamedGateway) {
    this.#name = name;
  }

  /** Returns undefined until the gateway has proved its identity, and starts the proof. */
  get current(): GatewayAddress | undefined {
    const named = this.#name();
    if (named.file === undefined || keyOf(named) === this.#proven) return named;
    void this.check();
    return undefined;
  }

  /** Resolves when the identity check has finished. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#checkIdentity().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #checkIdentity(): Promise<void> {
    try {
      const named = this.#name();
      if (named.file !== undefined && (await whoAnswers(named.file)) === 'gateway') this.#proven = keyOf(named);
    } catch {
      // No gateway runs now; the next read of the address reports that.
    }
  }
}

const keyOf = ({ url, file }: NamedGateway): string => `${url} ${file?.key ?? file?.pid}`;
