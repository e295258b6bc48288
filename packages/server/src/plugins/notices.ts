// The latest notices of plugins to people, numbered, and their listeners. In memory only; a restart forgets them.

import type { NoticeList, PluginNotice } from '@binnacle/protocol';

const MAX_NOTICES = 200;

export class Notices {
  readonly #notices: PluginNotice[] = [];
  readonly #listeners = new Set<(notice: PluginNotice) => void>();
  /** Starts at the current time, so that numbers after a restart exceed those before. */
  #last = Date.now();

  /** Adds a notice. Does not validate it. */
  add(notice: Pick<PluginNotice, 'plugin' | 'title' | 'text'>): PluginNotice {
    this.#last += 1;
    const { plugin, title, text } = notice;
    const stored = { n: this.#last, at: Date.now(), plugin, title, text };
    this.#notices.push(stored);
    if (this.#notices.length > MAX_NOTICES) this.#notices.shift();
    for (const listener of [...this.#listeners]) listener(stored);
    return stored;
  }

  after(n = 0): NoticeList {
    return { notices: this.#notices.filter((notice) => notice.n > n), next: this.#last };
  }

  /** Returns the function that ends the listening. */
  listen(listener: (notice: PluginNotice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
