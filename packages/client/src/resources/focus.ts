// Focus: reports what the user has in view, so that the gateway sends no notifications about it. Repeats it after a
// reconnect.

import type { Connection, Participant } from '../transport/connection.ts';
import type { Muted } from './push.ts';

/** Focus of a user: a session or a conversation, as for `Muted`. */
export type Focus = Muted;

/** The focus of this client. */
export class FocusReporter {
  readonly #connection: Connection;
  readonly #participant: Participant;
  #focus: Focus | undefined;
  /** The focus that the gateway has for this connection. */
  #reported: Focus | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    const forget = (): void => {
      this.#reported = undefined;
    };
    this.#participant = { opened: () => this.#report(), lost: forget, stopped: forget };
  }

  /** Reports the focus; undefined: nothing. */
  set(focus: Focus | undefined): void {
    const had = this.#focus;
    this.#focus = focus;
    if (this.#connection.isOpen) this.#report();
    // An empty focus is no reason for a connection.
    if (focus !== undefined && had === undefined) this.#connection.join(this.#participant);
    if (focus === undefined && had !== undefined) this.#connection.leave(this.#participant);
  }

  #report(): void {
    if (nameOf(this.#focus) === nameOf(this.#reported)) return;
    this.#reported = this.#focus;
    // A gateway that does not know of it notifies once more.
    this.#connection.ask(
      (ref) => ({ t: 'look', ref, ...this.#focus }),
      () => {},
    );
  }
}

const nameOf = (focus: Focus | undefined): string => JSON.stringify(focus ?? null);
