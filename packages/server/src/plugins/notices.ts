// What plugins have told people lately: the last ones, numbered, and who hears of new ones. Kept in memory; a restart
// forgets them. Knows no plugin and no connection.

import type { NoticeList, PluginNotice } from '@binnacle/protocol';

const MAX_KEPT = 200;

export class Notices {
  readonly #kept: PluginNotice[] = [];
  readonly #listeners = new Set<(notice: PluginNotice) => void>();
  /** Begins with the time, so that what comes after a restart is behind what came before it. */
  #last = Date.now();

  /** Nothing in it is checked here. */
  add(notice: Pick<PluginNotice, 'plugin' | 'title' | 'text'>): PluginNotice {
    this.#last += 1;
    const { plugin, title, text } = notice;
    const told = { n: this.#last, at: Date.now(), plugin, title, text };
    this.#kept.push(told);
    if (this.#kept.length > MAX_KEPT) this.#kept.shift();
    for (const listener of [...this.#listeners]) listener(told);
    return told;
  }

  after(n = 0): NoticeList {
    return { notices: this.#kept.filter((notice) => notice.n > n), next: this.#last };
  }

  /** Returns what ends it. */
  listen(listener: (notice: PluginNotice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
