// Notification settings of users: one row per user who does not want all notifications.

import { type Database, type Statement, toDisk } from './sqlite.ts';

export interface UserNotificationSettings {
  /** True: notifies also at the end of an agent's turn, and not only when something waits for the user. */
  readonly done: boolean;
}

export class NotificationSettingsStore {
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #has: Statement;

  constructor(db: Database) {
    this.#put = db.prepare('INSERT OR IGNORE INTO hail_wishes (user) VALUES (?)');
    this.#drop = db.prepare('DELETE FROM hail_wishes WHERE user = ?');
    this.#has = db.prepare('SELECT 1 FROM hail_wishes WHERE user = ?');
  }

  of(user: string): UserNotificationSettings {
    return { done: this.#has.get(user) === undefined };
  }

  /** Throws `disk_full`. */
  set(user: string, { done }: UserNotificationSettings): void {
    toDisk(() => (done ? this.#drop : this.#put).run(user));
  }
}
