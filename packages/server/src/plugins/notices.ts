// The latest notices of plugins to people, numbered, and their listeners. In memory only; a restart forgets them.

import type { NoticeList, PluginNotice } from '@binnacle/protocol';

const MAX_KEPT = 200;

export class Notices {
  readonly #kept: PluginNotice[] = [];
  readonly #listeners = new Set<(notice: PluginNotice) => void>();
  /** Starts at the current time, so that numbers after a restart exceed those before. */
  #last = Date.now();

  /** Adds a notice. Does not validate it. */
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

  /** Returns the function that ends the listening. */
  listen(listener: (notice: PluginNotice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
