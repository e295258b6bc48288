// Focus: what users have in view, as their pages report it over their connections. Ends with the connection.

import type { Wait } from './waits.ts';

/** A session by its id, a conversation by its key. */
export type Looked = Pick<Wait, 'kind' | 'key'>;

interface Look {
  readonly user: string;
  at: string | undefined;
}

export class Looks {
  readonly #open = new Set<Look>();

  /** Registers one connection: `set` changes what is in view, `end` removes the connection. */
  join(user: string): { set(looked: Looked | undefined): void; end(): void } {
    const look: Look = { user, at: undefined };
    return {
      set: (looked) => {
        look.at = looked === undefined ? undefined : nameOf(looked);
        if (look.at === undefined) this.#open.delete(look);
        else this.#open.add(look);
      },
      end: () => this.#open.delete(look),
    };
  }

  isLooking(user: string, looked: Looked): boolean {
    const name = nameOf(looked);
    for (const look of this.#open) if (look.user === user && look.at === name) return true;
    return false;
  }
}

const nameOf = ({ kind, key }: Looked): string => `${kind} ${key}`;
