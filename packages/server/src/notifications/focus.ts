// Focus: what users have in view, as their pages report it over their connections. Ends with the connection.

import type { UserWait } from './waits.ts';

/** A session by its id, a conversation by its key. */
export type FocusTarget = Pick<UserWait, 'kind' | 'key'>;

interface ConnectionFocus {
  readonly user: string;
  at: string | undefined;
}

export class UserFocus {
  readonly #open = new Set<ConnectionFocus>();

  /** Registers one connection: `set` changes what is in view, `end` removes the connection. */
  join(user: string): { set(target: FocusTarget | undefined): void; end(): void } {
    const focus: ConnectionFocus = { user, at: undefined };
    return {
      set: (target) => {
        focus.at = target === undefined ? undefined : nameOf(target);
        if (focus.at === undefined) this.#open.delete(focus);
        else this.#open.add(focus);
      },
      end: () => this.#open.delete(focus),
    };
  }

  isFocused(user: string, target: FocusTarget): boolean {
    const name = nameOf(target);
    for (const focus of this.#open) if (focus.user === user && focus.at === name) return true;
    return false;
  }
}

const nameOf = ({ kind, key }: FocusTarget): string => `${kind} ${key}`;
