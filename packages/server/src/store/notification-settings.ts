// Notification settings of users: one row per user who does not want all notifications.

import { toDisk } from './sqlite.ts';
import { Store } from './table.ts';

export interface UserNotificationSettings {
  /** True: notifies also at the end of an agent's turn, and not only when something waits for the user. */
  readonly done: boolean;
}

export class NotificationSettingsStore extends Store {
  readonly #put = this.sql.run('INSERT OR IGNORE INTO hail_wishes (user) VALUES (?)');
  readonly #drop = this.sql.run('DELETE FROM hail_wishes WHERE user = ?');
  readonly #has = this.sql.value('SELECT 1 FROM hail_wishes WHERE user = ?');

  of(user: string): UserNotificationSettings {
    return { done: this.#has(user) === undefined };
  }

  /** Throws `disk_full`. */
  set(user: string, { done }: UserNotificationSettings): void {
    toDisk(() => (done ? this.#drop : this.#put)(user));
  }
}
