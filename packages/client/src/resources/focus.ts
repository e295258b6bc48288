// Focus: reports what the user has in view, so that the gateway sends no notifications about it. Repeats it after a
// reconnect.

import type { Connection, Participant } from '../transport/connection.ts';
import type { Muted } from './push.ts';

/** Focus of a user: a session or a conversation, as for `Muted`. */
export type Looked = Muted;

/** The focus of this client. */
export class Look {
  private readonly connection: Connection;
  private readonly participant: Participant;
  private looked: Looked | undefined;
  /** The focus that the gateway has for this connection. */
  private told: Looked | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    this.looked = undefined;
    this.told = undefined;
    const forget = (): void => {
      this.told = undefined;
    };
    this.participant = { opened: () => this.tell(), lost: forget, stopped: forget };
  }

  /** Reports the focus; undefined: nothing. */
  set(looked: Looked | undefined): void {
    const had = this.looked;
    this.looked = looked;
    if (this.connection.isOpen) this.tell();
    // Nothing to look at is no reason for a connection.
    if (looked !== undefined && had === undefined) this.connection.join(this.participant);
    if (looked === undefined && had !== undefined) this.connection.leave(this.participant);
  }

  private tell(): void {
    if (nameOf(this.looked) === nameOf(this.told)) return;
    this.told = this.looked;
    // A gateway that does not know of it notifies once more.
    this.connection.ask(
      (ref) => ({ t: 'look', ref, ...this.looked }),
      () => {},
    );
  }
}

const nameOf = (looked: Looked | undefined): string => JSON.stringify(looked ?? null);
