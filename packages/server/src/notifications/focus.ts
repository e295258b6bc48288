// What people have before their eyes, as their pages say it over their connections. Gone with the connection.

import type { Wait } from './waits.ts';

/** A session by its id, a conversation by its key. */
export type Looked = Pick<Wait, 'kind' | 'key'>;

interface Look {
  readonly user: string;
  at: string | undefined;
}

export class Looks {
  readonly #open = new Set<Look>();

  /** For one connection: `set` says what is looked at now, `end` that it is closed. */
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
